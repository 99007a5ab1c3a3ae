"""A one-off engine process: `python -m bramble.engine.surveyor` reads one order of `survey`, answers it and leaves."""

import logging
import os
import sys

from bramble.engine import survey
from bramble.engine.__main__ import be_nice, die_with_parent


def main() -> None:
    """Do what stdin orders; stdout gets lines of `survey.Answer`."""
    die_with_parent()
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    text = sys.stdin.buffer.readline()
    if not text:
        return  # whoever wanted something was interrupted before they said what
    order = survey.parse_order(text)
    be_nice(order.load.nice)
    # Only now: these load libllama and libgomp, which reads its environment once.
    from bramble.engine.bench import bench
    from bramble.engine.loading import CannotLoad, look

    try:
        answer = bench(order, _say) if isinstance(order, survey.Bench) else look(order.load)
    except CannotLoad as error:
        answer = survey.Unusable(error.message, error.hint)
    _say(answer)


def _say(message: survey.Answer) -> None:
    sys.stdout.buffer.write(survey.line(message))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    os._exit(0)
