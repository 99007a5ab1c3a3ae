"""Who may be in the engine together. Once it has died twice: one request at a time, until the culprit is found."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count

TOGETHER = 2
"""Deaths that a request may see in company before it is computed alone: most are nobody's fault here."""
ALONE = 3
"""Deaths alone after which it is given up."""


class Case:
    """What is known against one request: `deaths` of the engine with it inside, `alone` of them with nobody else."""

    _numbers = count()

    def __init__(self) -> None:
        self.number = next(self._numbers)
        self.deaths = self.alone = 0

    @property
    def suspect(self) -> bool:
        """To be computed alone from now on."""
        return self.deaths >= TOGETHER

    @property
    def guilty(self) -> bool:
        """Not to be computed again."""
        return self.alone >= ALONE


class Doorway:
    """First come, first in; who came before the engine died goes before those who came after."""

    def __init__(self) -> None:
        self._inside: set[Case] = set()
        self._line: dict[Case, asyncio.Event] = {}

    @asynccontextmanager
    async def inside(self, case: Case, slots: int) -> AsyncGenerator[None]:
        """Be in the engine, which has so many slots, once that may be."""
        turn = self._line[case] = asyncio.Event()
        try:
            while not self._may_enter(case, slots):
                turn.clear()
                await turn.wait()
            self._inside.add(case)
        finally:
            del self._line[case]
            self._tell_next()
        try:
            yield
        finally:
            self._inside.discard(case)
            self._tell_next()

    def died(self) -> None:
        """The engine is gone with all that are inside."""
        for case in self._inside:
            case.deaths += 1
            case.alone += len(self._inside) == 1
        self.emptied()

    def emptied(self) -> None:
        """All that are inside have to come again, and it is nobody's fault."""
        self._inside.clear()
        self._tell_next()

    def _may_enter(self, case: Case, slots: int) -> bool:
        first = min(self._line, key=lambda each: each.number)
        if case is not first or len(self._inside) >= slots:
            return False
        return not self._inside or not (case.suspect or any(c.suspect for c in self._inside))

    def _tell_next(self) -> None:
        if self._line:
            self._line[min(self._line, key=lambda each: each.number)].set()
