"""Whom the kernel ends when memory runs out: an engine, not the daemon that can start it again."""

import logging
from pathlib import Path
from typing import Literal

log = logging.getLogger("bramble.engine")

ENGINE_SCORE = 900
"""Thousandths of the memory there is, or that a control group may have, that the kernel adds to what a process holds
(`oom_score_adj`, proc_pid_oom_score_adj(5)): so an engine that has only just begun goes before the daemon, too."""
EMBEDDING_SCORE = 1000
"""Texts can be embedded again; people who are being answered would notice."""


def end_first(pid: int | Literal["self"], score: int = ENGINE_SCORE) -> None:
    """Have the kernel choose this process; it may be gone already."""
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(score))
    except (FileNotFoundError, ProcessLookupError):
        pass
    except OSError:
        log.warning("oom_score_adj cannot be raised here")
