"""What is told of a model: as Ollama lists and shows it, from the card that the engine reads out of its file."""

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from bramble.engine.wire import Ready
from bramble.models.catalogue import Model
from bramble.server.naming import TAG, Naming

Json = dict[str, Any]

QUANTIZATIONS = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    25: "IQ4_NL",
    30: "IQ4_XS",
    32: "BF16",
}
"""`llama_ftype`, as `general.file_type` names it."""
NEVER = datetime(2318, 1, 1, tzinfo=UTC)
"""What Ollama tells of a model that stays loaded."""


class Facts:
    """One model: `title` is what it calls itself, `ready` None while nothing is known of its inside."""

    def __init__(
        self,
        naming: Naming,
        title: str,
        ready: Ready | None,
        capabilities: Sequence[str],
        *,
        is_loaded: bool,
    ) -> None:
        self._ready, self.capabilities = ready, capabilities
        self.is_loaded = is_loaded
        self._file = _look(ready)
        self._naming, self._path = naming, ready.card.file if ready else ""
        self._entry = self._checked(naming.entry(title, self._path))
        self._meta = ready.card.metadata if ready else {}
        self.title = title
        self.name = naming.short(title, self._path) + TAG

    def is_called(self, asked: str) -> bool:
        """Whether somebody who asks for this name means it."""
        return self._naming.means(asked, self.title, self._path)

    def listed(self) -> Json:
        """A line of /api/tags."""
        return {
            "name": self.name,
            "model": self.name,
            "modified_at": self._modified(),
            "size": self._size(),
            "digest": self._digest(),
            "details": self._details(),
        }

    def running(self, idle_unload: float) -> Json:
        """A line of /api/ps; it is unloaded after so many quiet seconds, or never."""
        later = datetime.now(UTC) + timedelta(seconds=idle_unload)
        expires = later if idle_unload else NEVER
        line = self.listed() | {"expires_at": _time(expires), "size_vram": 0}
        return line | ({"context_length": self._ready.context} if self._ready else {})

    def shown(self) -> Json:
        """The answer of /api/show."""
        card = self._ready.card if self._ready else None
        return {
            "license": self._entry.licence
            if self._entry
            else self._meta.get("general.license", ""),
            "modelfile": f"FROM {self.name}\n",
            "parameters": f"num_ctx {self._ready.context}" if self._ready else "",
            "template": card.template if card else "",
            "details": self._details(),
            "model_info": self._info(),
            "capabilities": self.capabilities,
            "modified_at": self._modified(),
        }

    @property
    def _family(self) -> str:
        return self._meta.get("general.architecture", "")

    def _details(self) -> Json:
        kind = self._meta.get("general.file_type", "")
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self._family,
            "families": [self._family] if self._family else [],
            "parameter_size": _count(self._ready.parameters) if self._ready else "",
            "quantization_level": QUANTIZATIONS.get(int(kind), "") if kind.isdigit() else "",
        }

    def _info(self) -> Json:
        """The file's metadata; the context is the one that is served, which is what clients want to know."""
        told = {key: _value(text) for key, text in self._meta.items()}
        if self._ready is None:
            return told
        told.setdefault("general.basename", self.title)
        told["general.parameter_count"] = self._ready.parameters
        if self._family:
            told[f"{self._family}.context_length"] = self._ready.context
        return told

    def _checked(self, entry: Model | None) -> Model | None:
        """The catalogue's entry, unless a file of one's own has the same title."""
        same = entry is None or self._file is None or self._file.st_size == entry.size
        return entry if same else None

    def _size(self) -> int:
        if self._file:
            return self._file.st_size
        return self._entry.size if self._entry else 0

    def _digest(self) -> str:
        """The file's SHA-256 where the catalogue knows it, else of what the file says of itself: just as lasting."""
        if self._entry:
            return self._entry.sha256
        data = msgspec.json.encode([self.title, self._size(), self._meta], order="deterministic")
        return hashlib.sha256(data).hexdigest()

    def _modified(self) -> str:
        return _time(datetime.fromtimestamp(self._file.st_mtime if self._file else 0.0, UTC))


def _look(ready: Ready | None) -> os.stat_result | None:
    """The file, where it is known and there."""
    try:
        return Path(ready.card.file).stat() if ready and ready.card.file else None
    except OSError:
        return None


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _count(parameters: int) -> str:
    """Like 134.5M or 1.5B."""
    for size, letter in ((1e9, "B"), (1e6, "M")):
        if parameters >= size:
            return f"{parameters / size:.1f}{letter}"
    return str(parameters)


def _value(text: str) -> Any:
    """Numbers and truths as such."""
    try:
        return msgspec.json.decode(text, type=int | float | bool)
    except (msgspec.DecodeError, ValueError):
        return text
