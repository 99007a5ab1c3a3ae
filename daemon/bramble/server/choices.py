"""The answers to one HTTP request: several choices, maybe to several prompts, followed as one stream."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from bramble.chat.answer import Answer, Over, Text, Update
from bramble.errors import BrambleError
from bramble.scheduler import Request

CACHED = "X-Bramble-Cached"
"""The header of an answer that was not computed: `cache` or `pinned`."""
Begin = Callable[[Request], Answer]
News = asyncio.Queue[tuple[int, Update]]


class Choices:
    """Made of the requests for each prompt. `begin` starts an answer; nothing runs before `follow`.

    A prompt's other choices begin when its first has begun to speak: they find the prompt computed.
    """

    def __init__(self, begin: Begin, prompts: Sequence[Sequence[Request]]) -> None:
        self._begin, self._prompts = begin, prompts
        self._answers: list[Answer] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def headers(self) -> dict[str, str]:
        """What the response's head says, once the first has begun: whether it was not computed now."""
        recalled = self._answers[0].recalled if self._answers else None
        return {CACHED: recalled} if recalled else {}

    async def follow(self) -> AsyncGenerator[tuple[int, Update], None]:
        """Every update with its choice's number, prompt by prompt; ends when all are over."""
        if len(self._prompts) == len(self._prompts[0]) == 1:  # most requests: nobody in between
            async with aclosing(self._answer(self._prompts[0][0])) as updates:
                async for update in updates:
                    yield 0, update
            return
        left = sum(len(prompt) for prompt in self._prompts)
        news = News(maxsize=left)  # a reader that is slow slows the reading, not the answers
        first = 0
        for prompt in self._prompts:
            self._start(news, first, prompt)
            first += len(prompt)
        while left:
            index, update = await news.get()
            left -= isinstance(update, Over)
            yield index, update

    async def stop(self) -> None:
        """End what still runs."""
        for task in self._tasks:
            task.cancel()
        for answer in self._answers:
            answer.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, news: News, index: int, requests: Sequence[Request]) -> None:
        self._tasks.append(asyncio.create_task(self._relay(news, index, requests)))

    async def _relay(self, news: News, index: int, requests: Sequence[Request]) -> None:
        """Pass on the updates of the first of these requests, and start the others when it speaks."""
        others = requests[1:]
        async with aclosing(self._answer(requests[0])) as updates:
            async for update in updates:
                if others and isinstance(update, Text | Over):
                    for place, request in enumerate(others, start=1):
                        self._start(news, index + place, [request])
                    others = ()
                await news.put((index, update))

    async def _answer(self, request: Request) -> AsyncGenerator[Update, None]:
        try:
            answer = self._begin(request)
        except BrambleError as error:
            yield Over("error", 0, error=error)
            return
        self._answers.append(answer)
        async with aclosing(answer.follow()) as updates:
            async for update in updates:
                yield update
