"""What is said on one WebSocket, protocol version 1 (see `frames`). A bad frame gets an `error` frame and nothing else.

Nothing is queued for a client: each task waits for its connection, then tells what is true by then.
"""

import asyncio
import logging
from contextlib import aclosing, suppress
from functools import partial

from aiohttp import WSCloseCode, WSMsgType

import bramble
from bramble.chat.answer import Answer, Internal
from bramble.chat.devices import Change, News, Renewal, RolesChange
from bramble.chat.turn import Chat, Opened, Said
from bramble.errors import BadRequest, BrambleError, NotFound
from bramble.server import frames, incoming, shelf
from bramble.server.codec import decode, failure, translate
from bramble.server.status import Status
from bramble.server.websocket import Socket, is_text

log = logging.getLogger("bramble.server")

STATE_SECONDS = 0.25
"""Least time between two `state` frames."""
TYPING_SECONDS = 0.3
"""Least time between two looks at what somebody is typing."""
FOLLOWED_MOST = 16
"""Answers that one socket may follow at once."""
NO_TEXT = frames.Error(code="bad_frame", message="Frames are text.")


class Connection:
    """One client. `person` counts in the queue; `origin` is whose refs these are where no conversation says so."""

    def __init__(
        self, socket: Socket, chat: Chat, status: Status, owner: str, person: str, origin: str
    ) -> None:
        self._socket, self._chat, self._status = socket, chat, status
        self._owner, self._person, self._origin = owner, person, origin
        self._shown: str | None = None
        self._latest: int | None = None
        self._lists = self._casts = False
        self._changes: dict[str, Change] = {}
        self._roles_changed = self._renewed = False
        self._turn = asyncio.Lock()
        self._following: dict[int, asyncio.Task[None]] = {}
        self._typed: incoming.Typing | None = None
        self._typing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Talk until the client leaves; its answers go on without it. Raises ConnectionResetError."""
        changed = asyncio.Event()
        unwatch = self._status.watch(changed.set)
        telling = asyncio.create_task(self._tell_state(changed))
        elsewhere = asyncio.Event()
        unlisten = self._chat.devices.watch(self._owner, partial(self._hear, elsewhere))
        hearing = asyncio.create_task(self._tell_changes(elsewhere))
        try:
            await self._socket.send(frames.Hello(frames.PROTOCOL, bramble.__version__))
            await self._socket.send(self._status.frame())
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    if not is_text(message.data):
                        await self._socket.close(code=WSCloseCode.INVALID_TEXT)
                        break
                    await self._receive(decode(message.data))
                elif message.type is WSMsgType.BINARY:
                    await self._receive(NO_TEXT)
        finally:
            unwatch()
            unlisten()
            for task in (telling, hearing, self._typing, *self._following.values()):
                if task is not None:
                    task.cancel()

    async def _receive(self, frame: incoming.FromClient | frames.Error) -> None:
        try:
            async with self._turn:
                await self._handle(frame)
        except BrambleError as error:
            await self._fail(frame, error)
        except ConnectionResetError:
            raise
        except Exception:
            log.exception("a frame could not be handled")
            await self._fail(
                frame, Internal("Something went wrong inside Bramble.", "See the log.")
            )

    async def _handle(self, frame: incoming.FromClient | frames.Error) -> None:
        match frame:
            case incoming.Say():
                await self._say(frame)
            case incoming.Open():
                await self._show(await self._chat.open(self._owner, frame.conversation))
            case incoming.Edit():
                await self._edit(frame)
            case incoming.Regenerate() | incoming.Continue() | incoming.Select():
                await self._turn_to(frame)
            case incoming.Resume():
                self._follow(self._find(frame.answer), frame.after)
            case incoming.Stop():
                self._find(frame.answer).stop()
            case incoming.Typing():
                self._typed = frame
                self._typing = self._typing or asyncio.create_task(self._read_ahead())
            case incoming.Ping():
                await self._socket.send(frames.Pong())
            case frames.Error():
                await self._socket.send(frame)
            case _:
                self._lists |= isinstance(frame, incoming.Conversations)
                self._casts |= isinstance(frame, incoming.ListRoles)
                await self._socket.send(await shelf.answer(self._chat, self._owner, frame))

    async def _read_ahead(self) -> None:
        """Pass on what is being typed: the newest only, and not more often than is worth anything."""
        while (frame := self._typed) is not None:
            self._typed = None
            with suppress(NotFound):
                await self._chat.typing(
                    self._owner, self._person, frame.conversation, frame.text, frame.role
                )
            await asyncio.sleep(TYPING_SECONDS)
        self._typing = None

    async def _say(self, frame: incoming.Say) -> None:
        self._typed = None
        ref = f"{frame.conversation or f'{self._owner} {self._origin}'} {frame.ref}"
        said = await self._chat.say(
            self._owner, self._person, ref, frame.conversation, frame.text, frame.role
        )
        self._shown = said.conversation
        await self._acknowledge(frame.ref, said)
        if said.answer:
            self._follow(said.answer, 0)
        else:
            await self._show(await self._chat.open(self._owner, said.conversation))

    async def _edit(self, frame: incoming.Edit) -> None:
        ref = f"{frame.conversation} {frame.ref}"
        said = await self._chat.edit(
            self._owner, self._person, ref, frame.conversation, frame.message, frame.text
        )
        await self._acknowledge(frame.ref, said)
        await self._show(await self._chat.open(self._owner, said.conversation))

    async def _turn_to(
        self, frame: incoming.Regenerate | incoming.Continue | incoming.Select
    ) -> None:
        who, place = (self._owner, self._person), (frame.conversation, frame.message)
        match frame:
            case incoming.Regenerate():
                await self._chat.regenerate(*who, *place)
            case incoming.Continue():
                await self._chat.go_on(*who, *place)
            case incoming.Select():
                await self._chat.select(self._owner, *place)
        await self._show(await self._chat.open(self._owner, frame.conversation))

    async def _acknowledge(self, ref: str, said: Said) -> None:
        answer = said.answer.id if said.answer else None
        await self._socket.send(frames.Said(ref, said.conversation, said.message, answer))

    async def _show(self, opened: Opened) -> None:
        self._shown = opened.conversation
        answer = opened.answer.id if opened.answer else None
        if answer in self._following:  # told from its beginning again, so no piece in between
            self._following.pop(answer).cancel()
        await self._socket.send(
            frames.Conversation(opened.conversation, opened.messages, answer, opened.role)
        )
        if opened.answer:
            self._follow(opened.answer, 0)

    async def _fail(self, frame: incoming.FromClient | frames.Error, error: BrambleError) -> None:
        ref, answer = getattr(frame, "ref", None), getattr(frame, "answer", None)
        await self._socket.send(failure(error, ref=ref, answer=answer))

    def _find(self, id: int) -> Answer:
        answer = self._chat.answers.find(id)
        if answer is None or answer.owner != self._owner:
            raise NotFound("This answer is over.", "Open the conversation again.")
        return answer

    def _follow(self, answer: Answer, after: int) -> None:
        """Tell an answer from here on; a second time, from there on."""
        if old := self._following.pop(answer.id, None):
            old.cancel()
        if len(self._following) >= FOLLOWED_MOST:
            raise BadRequest(f"{FOLLOWED_MOST} answers are being followed here already.")
        self._latest = answer.id
        task = asyncio.create_task(self._tell(answer, after))
        self._following[answer.id] = task

    async def _tell(self, answer: Answer, after: int) -> None:
        with suppress(ConnectionResetError):
            async with aclosing(answer.follow(after)) as updates:
                async for update in updates:
                    for frame in translate(answer, update):
                        await self._socket.send(frame)
            del self._following[answer.id]

    def _hear(self, elsewhere: asyncio.Event, news: News) -> None:
        """Keep the newest change of each conversation that is worth a frame here."""
        if isinstance(news, RolesChange | Renewal):
            self._roles_changed = self._casts
            self._renewed |= isinstance(news, Renewal)
        elif self._lists or news.conversation == self._shown:
            earlier = self._changes.get(news.conversation)
            if earlier is None or news.messages or not earlier.messages:
                self._changes[news.conversation] = news
        elsewhere.set()

    async def _tell_changes(self, elsewhere: asyncio.Event) -> None:
        """What happened on this owner's other devices; what this one did itself it was told already."""
        with suppress(ConnectionResetError):
            while await elsewhere.wait():
                elsewhere.clear()
                async with self._turn:
                    changes, self._changes = self._changes, {}
                    for change in changes.values():
                        await self._tell_change(change)
                    if self._renewed:
                        self._renewed = False
                        await self._show_anew()
                    if self._roles_changed:
                        self._roles_changed = False
                        roles = await self._chat.roles.all(self._owner)
                        await self._socket.send(frames.Roles(roles))

    async def _show_anew(self) -> None:
        """The store is another one: the list from its beginning, and what is shown, if that is there."""
        if self._lists:
            first = incoming.Conversations()
            await self._socket.send(await shelf.answer(self._chat, self._owner, first))
        if self._shown is not None:
            await self._tell_change(Change(self._shown, messages=True))

    async def _tell_change(self, change: Change) -> None:
        id, fresh = change.conversation, change.answer is None or change.answer != self._latest
        try:
            if self._lists:
                summary = await self._chat.summary(self._owner, id)
                await self._socket.send(frames.Changed(summary))
            if id == self._shown and change.messages and fresh:
                await self._show(await self._chat.open(self._owner, id))
        except NotFound:
            await self._socket.send(frames.Deleted(id))

    async def _tell_state(self, changed: asyncio.Event) -> None:
        with suppress(ConnectionResetError):
            while await changed.wait():
                changed.clear()
                await self._socket.send(self._status.frame())
                await asyncio.sleep(STATE_SECONDS)
