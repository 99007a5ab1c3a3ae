"""Who is computed with whom after the engine died."""

import asyncio
from collections.abc import Callable

from bramble.engine.doorway import Case, Doorway


class Visit:
    """One request that is inside until it is told to leave."""

    def __init__(self, doorway: Doorway, case: Case | None = None, slots: int = 4) -> None:
        self.case = case or Case()
        self.inside = False
        self._leave = asyncio.Event()
        self._task = asyncio.create_task(self._stay(doorway, slots))

    async def leave(self) -> None:
        self._leave.set()
        await self._task

    async def give_up(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _stay(self, doorway: Doorway, slots: int) -> None:
        async with doorway.inside(self.case, slots):
            self.inside = True
            await self._leave.wait()
        self.inside = False


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0)


async def rest() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def died_twice(doorway: Doorway, *cases: Case) -> None:
    for _ in range(2):
        visits = [Visit(doorway, case) for case in cases]
        await until(lambda visits=visits: all(visit.inside for visit in visits))
        doorway.died()
        for visit in visits:
            await visit.leave()


async def test_all_go_in_together_up_to_the_slots() -> None:
    doorway = Doorway()
    visits = [Visit(doorway, slots=2) for _ in range(3)]
    await rest()
    assert [visit.inside for visit in visits] == [True, True, False]
    await visits[0].leave()
    await until(lambda: visits[2].inside)


async def test_suspects_go_in_one_at_a_time_before_who_came_later() -> None:
    doorway = Doorway()
    one, two = Case(), Case()
    await died_twice(doorway, one, two)
    assert (one.deaths, one.alone, one.suspect, one.guilty) == (2, 0, True, False)
    later = Case()
    second, first = Visit(doorway, two), Visit(doorway, one)
    third = Visit(doorway, later)
    await until(lambda: first.inside or second.inside)
    inside = first if first.inside else second
    other = second if inside is first else first
    await rest()
    assert not other.inside
    assert not third.inside
    await inside.leave()
    await until(lambda: other.inside)
    await rest()
    assert not third.inside
    await other.leave()
    await until(lambda: third.inside)


async def test_three_deaths_alone_prove_it() -> None:
    doorway, case = Doorway(), Case()
    for deaths in range(3):
        assert not case.guilty
        assert case.alone == deaths
        visit = Visit(doorway, case)
        await until(lambda visit=visit: visit.inside)
        doorway.died()
        await visit.leave()
    assert case.guilty


async def test_who_gives_up_in_the_line_holds_up_nobody() -> None:
    doorway, case = Doorway(), Case()
    await died_twice(doorway, case)
    inside = Visit(doorway)
    await until(lambda: inside.inside)
    waiting, behind = Visit(doorway, case), Visit(doorway)
    await rest()
    assert not behind.inside
    await waiting.give_up()
    await until(lambda: behind.inside)
