"""Every device of one owner hears what the others change; nothing is kept for who is not there."""

from collections.abc import Callable

import msgspec


class Change(msgspec.Struct, frozen=True):
    """`messages`: more than the title or the role is new; `answer` is what was begun with it."""

    conversation: str
    messages: bool = False
    answer: int | None = None


class RolesChange(msgspec.Struct, frozen=True):
    """The owner's own roles are not what they were."""


class Renewal(msgspec.Struct, frozen=True):
    """Everything may be different: the store was restored from a copy."""


News = Change | RolesChange | Renewal
Heard = Callable[[News], None]


class Devices:
    """Who is there, by owner."""

    def __init__(self) -> None:
        self._there: dict[str, list[Heard]] = {}

    def watch(self, owner: str, heard: Heard) -> Callable[[], None]:
        """Call back at each change; returns what ends that."""
        self._there.setdefault(owner, []).append(heard)
        return lambda: self._leave(owner, heard)

    def tell(self, owner: str, news: News) -> None:
        """Something of this owner's is new."""
        for heard in list(self._there.get(owner, ())):
            heard(news)

    def tell_all(self, news: News) -> None:
        """Something concerns everybody."""
        for owner in list(self._there):
            self.tell(owner, news)

    def _leave(self, owner: str, heard: Heard) -> None:
        self._there[owner].remove(heard)
        if not self._there[owner]:
            del self._there[owner]
