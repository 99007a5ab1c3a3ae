"""An update that the page asks for: the daemon leaves it in `state_dir`, and `bramble update --requested` takes it.

The two are different users. What root reads here is believed no more than what comes from the network: only what is
signed is installed.
"""

import os
from pathlib import Path

import msgspec

from bramble import durable
from bramble.errors import BadRequest

FOLDER, REQUEST, PACK, SIGNATURE = "update", "request", "pack.tar", "pack.tar.minisig"
TOLD = Path("run/bramble-update")
"""Below the root: where bramble-update.service says how it went."""
PATH_UNIT = Path("etc/systemd/system/bramble-update.path")
MOST_BYTES = 2 << 30
"""Of a pack."""
LINES = 40
"""Of what was said, the last ones that are shown."""
MOST_SAID, MOST_ASKED = 64 * 1024, 8 * 1024
"""Bytes that are read of what one process wrote for the other."""


class Request(msgspec.Struct, frozen=True):
    """Which update: an https address, or what was left beside this."""

    address: str = ""


class Progress(msgspec.Struct, frozen=True):
    """How it is going: what `bramble update` said, whether it still runs, and whether the last one went well."""

    possible: bool
    running: bool = False
    told: tuple[str, ...] = ()
    well: bool | None = None


def leave(state_dir: Path, request: Request) -> None:
    """Ask for it; systemd sees the file as soon as it is whole."""
    durable.replace(state_dir / FOLDER / REQUEST, msgspec.json.encode(request))


def take(state_dir: Path) -> str:
    """Where the update is that was asked for; it is asked for no more. Raises BadRequest where none was."""
    file = state_dir / FOLDER / REQUEST
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            request = msgspec.json.decode(stream.read(MOST_ASKED), type=Request)
    except FileNotFoundError as error:
        raise BadRequest("Nobody has asked for an update.", "Name the file of a pack.") from error
    except (OSError, msgspec.DecodeError) as error:
        raise BadRequest(f"What was asked for cannot be read: {error}.") from error
    finally:
        file.unlink(missing_ok=True)
    return request.address or str(state_dir / FOLDER / PACK)


def progress(state_dir: Path, root: Path) -> Progress:
    """How the last update fares, as far as this machine remembers."""
    if not (root / PATH_UNIT).is_file():
        return Progress(possible=False)
    asked = (state_dir / FOLDER / REQUEST).exists()
    result = _text(root / TOLD / "result").strip()
    told = _text(root / TOLD / "told").splitlines()[-LINES:]
    running = asked or bool(told and not result)
    well = None if running or not result else result == "success"
    return Progress(True, running, () if asked else tuple(told), well)


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(MOST_SAID).decode("utf-8", "replace")
    except OSError:
        return ""
