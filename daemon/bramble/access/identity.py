"""Who somebody is, once that is known."""

import msgspec

from bramble.errors import BrambleError


class Identity(msgspec.Struct, frozen=True):
    """`name` is an account's or `admin`, empty for somebody unknown; `session` or `key` is how they showed it."""

    name: str = ""
    admin: bool = False
    session: str = ""
    key: str = ""

    @property
    def known(self) -> bool:
        """Whether they showed who they are."""
        return bool(self.name or self.key)

    @property
    def owner(self) -> str:
        """Whose conversations they work in; empty where that is for their browser to say, as the admin's are."""
        if self.name and not self.admin:
            return f"account:{self.name}"
        return f"key:{self.key}" if self.key else ""


NOBODY = Identity()


class WrongPassword(BrambleError):
    """What was shown opens nothing; it is not told why."""

    code = "wrong_password"

    def __init__(self, message: str = "This name and password are not known here.") -> None:
        super().__init__(message, "Is it spelled right? `bramble password` sets a new one.")
