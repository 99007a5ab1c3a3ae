"""A disk that lost its power: from a record of writes and syncs (recorder.c), what may be on it afterwards."""

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

HEAD = struct.Struct("<cHQQ")
SECTOR = 512
"""Bytes that a disk writes whole or not at all."""
Survivors = Literal["nothing", "some", "torn", "all"]
SURVIVORS: tuple[Survivors, ...] = ("nothing", "some", "torn", "all")
"""What is left of writes that were not synced: `some` in any choice, `torn` in any choice of their sectors."""


class Deed(NamedTuple):
    """One entry: W writes `data` at `offset`, T truncates to `length`, F syncs, U unlinks, S is told to a client."""

    kind: str
    path: Path
    offset: int
    length: int
    data: bytes


def read(record: Path) -> list[Deed]:
    """All that was recorded, in order; a killed process may leave half an entry at the end."""
    data, at, deeds = record.read_bytes(), 0, list[Deed]()
    while at + HEAD.size <= len(data):
        kind, size, offset, length = HEAD.unpack_from(data, at)
        at += HEAD.size
        path, at = data[at : at + size].decode(), at + size
        body = length if kind in b"WS" else 0
        if at + body > len(data):
            break
        deeds.append(Deed(kind.decode(), Path(path), offset, length, data[at : at + body]))
        at += body
    return deeds


@dataclass
class File:
    """What is on the disk for sure, and what may be. `named`: whether its folder was synced since it is there."""

    safe: bytearray = field(default_factory=bytearray)
    loose: list[Deed] = field(default_factory=list[Deed])
    named: bool = False
    gone: bool = False


def after(deeds: Sequence[Deed], survivors: Survivors, folder: Path) -> None:
    """Write into `folder` what may be there when the power goes after these."""
    files: dict[Path, File] = {}
    for deed in deeds:
        if deed.kind == "S":
            continue
        if deed.kind == "F" and deed.path not in files:  # a folder
            files = {path: file for path, file in files.items() if not file.gone}
            for file in files.values():
                file.named = True
            continue
        file = files.setdefault(deed.path, File())
        if deed.kind == "U":
            file.gone = True
        elif deed.kind == "F":
            for loose in file.loose:
                _apply(file.safe, loose)
            file.loose.clear()
        else:
            file.gone = False
            file.loose.append(deed)
    for path, file in files.items():
        if _chance(survivors, otherwise=file.named) and not (file.gone and _chance(survivors)):
            for loose in file.loose:
                _survive(file.safe, loose, survivors)
            (folder / path.name).write_bytes(file.safe)


def _chance(survivors: Survivors, *, otherwise: bool = False) -> bool:
    """Whether a change that was not synced is there all the same."""
    some: Callable[[], bool] = lambda: random.random() < 0.5  # noqa: E731
    return otherwise or survivors == "all" or (survivors in ("some", "torn") and some())


def _survive(content: bytearray, deed: Deed, survivors: Survivors) -> None:
    if survivors != "torn" or deed.kind != "W":
        if _chance(survivors):
            _apply(content, deed)
        return
    for start in range(0, len(deed.data), SECTOR):
        if _chance(survivors):
            part = deed.data[start : start + SECTOR]
            _apply(content, deed._replace(offset=deed.offset + start, data=part))


def _apply(content: bytearray, deed: Deed) -> None:
    if deed.kind == "T":
        del content[deed.length :]
        content.extend(bytes(deed.length - len(content)))
        return
    content.extend(bytes(max(0, deed.offset - len(content))))
    content[deed.offset : deed.offset + len(deed.data)] = deed.data
