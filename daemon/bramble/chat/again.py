"""After a start: what the daemon's end broke off is gone on with, once there is a model."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from bramble.chat.recall import Recall
from bramble.chat.store import Store
from bramble.engine.client import Engine
from bramble.errors import BrambleError

log = logging.getLogger("bramble.chat")

AGAIN_SECONDS = 3600.0
"""What broke off longer ago than this is not gone on with alone: nobody waits for it any more."""
LOOK_SECONDS = 5.0
"""Between two looks for a model, while there is none to go on with."""

GoOn = Callable[[str, str, str, int], Awaitable[object]]
"""Owner, person, conversation, message. Raises BrambleError."""


async def go_on(store: Store, engine: Engine, recall: Recall, going: GoOn) -> None:
    """Let the answers of the last life go on, each as if its owner had asked for it."""
    broken = await store.unfinished(time.time() - AGAIN_SECONDS)
    while broken and not recall.model:
        try:
            await engine.ready()
        except BrambleError:  # it may come: a model is put away, fetched, or fits later
            await asyncio.sleep(LOOK_SECONDS)
    for each in broken:
        try:
            await going(each.owner, each.owner, each.conversation, each.message)
        except BrambleError as error:
            log.warning("an answer was not gone on with: %s", error.message)
