"""Roles: named system prompts with settings of their own. Shipped ones (`roles.yaml`) are read-only, own ones are
their owner's alone.
"""

import secrets
from functools import cache
from importlib.resources import files

import msgspec
import yaml

from bramble.chat import rolebook
from bramble.chat.devices import Change, Devices, RolesChange
from bramble.chat.records import Role, Settings
from bramble.chat.store import Store
from bramble.config import ChatSettings
from bramble.engine.client import Engine
from bramble.engine.wire import Sampling
from bramble.errors import BadRequest, NotFound


class Manner(msgspec.Struct, frozen=True):
    """How one answer is given: what the model is told before, how it draws, how long it may become."""

    prompt: str
    sampling: Sampling
    max_tokens: int


@cache
def shipped() -> dict[str, Role]:
    """The roles that come with Bramble, by id."""
    text = files("bramble.chat").joinpath("roles.yaml").read_text(encoding="utf-8")
    return {role.id: role for role in msgspec.convert(yaml.safe_load(text), list[Role])}


def manner(chat: ChatSettings, role: Role | None) -> Manner:
    """A role's way; what it leaves open is as the settings say."""
    settings = role.settings if role else Settings()
    given = {
        name: value for name, value in msgspec.structs.asdict(settings).items() if value is not None
    }
    max_tokens = given.pop("max_tokens", chat.max_tokens)
    sampling = msgspec.structs.replace(Sampling(temperature=chat.temperature), **given)
    return Manner(role.prompt if role else chat.system_prompt, sampling, max_tokens)


class Roles:
    """Everybody's roles."""

    def __init__(self, store: Store, devices: Devices, engine: Engine) -> None:
        self._store, self._devices, self._engine = store, devices, engine

    async def all(self, owner: str) -> list[Role]:
        """The shipped ones, then this owner's, oldest first."""
        own = await self._store.read(lambda database: rolebook.roles(database, owner))
        return [*shipped().values(), *own]

    async def find(self, owner: str, id: str) -> Role:
        """Raises NotFound."""
        if role := shipped().get(id):
            return role
        return await self._store.read(lambda database: rolebook.role(database, owner, id))

    async def of(self, owner: str, conversation: str) -> Role | None:
        """Who answers there; None where nobody was chosen, or a role that is gone. Raises NotFound."""
        id = (await self._store.summary(owner, conversation)).role
        try:
            return await self.find(owner, id) if id else None
        except NotFound:
            return None

    async def add(self, owner: str, role: Role) -> Role:
        """A new one of the owner's, with the id that it has from now on. Raises BadRequest where there are too many."""
        role = msgspec.structs.replace(role, id=secrets.token_urlsafe(12), own=True)
        await self._store.change(lambda database: rolebook.add(database, owner, role))
        self._devices.tell(owner, RolesChange())
        return role

    async def change(self, owner: str, role: Role) -> None:
        """Put this in place of one of the owner's. Raises BadRequest for a shipped one, NotFound."""
        _check_own(role.id)
        old = await self.find(owner, role.id)
        await self._store.change(lambda database: rolebook.change(database, owner, role))
        if old.prompt != role.prompt:
            await self._engine.forget(system=old.prompt)
        self._devices.tell(owner, RolesChange())

    async def delete(self, owner: str, id: str) -> None:
        """Delete one of the owner's; conversations that have it go on without. Raises BadRequest, NotFound."""
        _check_own(id)
        old = await self.find(owner, id)
        await self._store.change(lambda database: rolebook.delete(database, owner, id))
        await self._engine.forget(system=old.prompt)
        self._devices.tell(owner, RolesChange())

    async def give(self, owner: str, conversation: str, id: str | None) -> None:
        """Let this role answer from the next message on, None: nobody special. Raises NotFound."""
        if id is not None:
            await self.find(owner, id)
        await self._store.change(lambda database: rolebook.give(database, owner, conversation, id))
        self._devices.tell(owner, Change(conversation))


def _check_own(id: str) -> None:
    if id in shipped():
        raise BadRequest("This role comes with Bramble.", "Save a copy of it and change that.")
