"""Busy neighbours: a spinning process for every core, and whether ours may have priority over them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

SPIN = (
    "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n for _ in range(10**6): pass"
)
"""Ends with its parent, so that none is ever left behind."""


@asynccontextmanager
async def hogs() -> AsyncGenerator[list[int], None]:
    """One for each core that this process may use; their process ids."""
    running = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", SPIN)
        for _ in os.sched_getaffinity(0)
    ]
    try:
        yield [hog.pid for hog in running]
    finally:
        for hog in running:
            hog.kill()
            await hog.wait()


def may_be_nice(value: int) -> bool:
    """Whether a process started here may take this priority: tried, as a container's root may not."""
    code = f"import os; os.setpriority(os.PRIO_PROCESS, 0, {value})"
    return not subprocess.run([sys.executable, "-c", code], capture_output=True).returncode
