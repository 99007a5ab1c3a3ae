"""What clients may call the models that answer: title, catalogue's name, file's name, each with Ollama's `:latest`."""

import re
from contextlib import suppress
from pathlib import Path

from bramble.errors import ConfigError
from bramble.models.catalogue import Model, catalogue

TAG = ":latest"


class Naming:
    """Knows the catalogue of one folder of models."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._known: dict[tuple[str, str], tuple[str, Model | None]] = {}

    def short(self, title: str, file: str) -> str:
        """A name without blanks for the model that is called `title` and is in `file`."""
        return self._look(title, file)[0]

    def entry(self, title: str, file: str) -> Model | None:
        """What the catalogue says of it."""
        return self._look(title, file)[1]

    def means(self, asked: str, title: str, file: str) -> bool:
        """Whether somebody who asks for `asked` means this model."""
        names = {title, slug(title), self.short(title, file), _stem(file)}
        return asked.lower().removesuffix(TAG) in {name.lower() for name in names if name}

    def _look(self, title: str, file: str) -> tuple[str, Model | None]:
        if (title, file) not in self._known:
            found = slug(title), None
            with suppress(ConfigError):  # somebody's own catalogue is wrong; `bramble check` tells
                for name, model in catalogue(self._models_dir).items():
                    if title == model.title or _stem(model.file) in (title, _stem(file)):
                        found = name, model
                        break
            self._known[title, file] = found
        return self._known[title, file]


def _stem(file: str) -> str:
    return file.rpartition("/")[2].removesuffix(".gguf")


def slug(title: str) -> str:
    """Small letters, digits, dots and dashes."""
    return re.sub(r"[^\w.]+", "-", title.lower()).strip("-.")
