"""`python -m bramble` is the command `bramble`."""

import sys

from bramble.cli import main

sys.exit(main())
