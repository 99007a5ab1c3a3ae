"""Every message that is declared survives the wire, and nothing else does."""

import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bramble.engine import framing, wire

FINITE = st.floats(allow_nan=False, allow_infinity=False)
st.register_type_strategy(float, FINITE)
st.register_type_strategy(int, st.integers(0, 2**63 - 1))


def members(union: object) -> list[type[Any]]:
    return list(typing.get_args(union))


@given(st.data())
@pytest.mark.parametrize("kind", members(wire.ToEngine))
def test_round_trip_to_the_engine(kind: type[Any], data: st.DataObject) -> None:
    message = data.draw(build(kind))
    frame = framing.frame(message)
    assert framing.body_size(frame[: framing.HEADER_SIZE]) == len(frame) - framing.HEADER_SIZE
    assert framing.parse_to_engine(frame[framing.HEADER_SIZE :]) == message


@given(st.data())
@pytest.mark.parametrize("kind", members(wire.ToDaemon))
def test_round_trip_to_the_daemon(kind: type[Any], data: st.DataObject) -> None:
    message = data.draw(build(kind))
    assert framing.parse_to_daemon(framing.frame(message)[framing.HEADER_SIZE :]) == message


def build(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Any value of a message type, field by field."""
    return st.builds(kind, **{f.name: of(f.type) for f in msgspec.structs.fields(kind)})


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type; structs inside fields are built the same way."""
    if typing.get_origin(hint) is tuple:
        return st.lists(of(typing.get_args(hint)[0]), max_size=4).map(tuple)
    kinds = [kind for kind in (hint, *typing.get_args(hint)) if isinstance(kind, type)]
    structs = [kind for kind in kinds if issubclass(kind, msgspec.Struct)]
    return st.one_of([build(kind) for kind in structs]) if structs else st.from_type(hint)


def test_a_message_of_the_other_direction_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        framing.parse_to_engine(framing.frame(wire.Loading(0.5))[framing.HEADER_SIZE :])


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", b"garbage", b"\x81\xa4type\xa4Nope"])
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        framing.parse_to_daemon(body)


def test_an_absurd_length_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than the limit"):
        framing.body_size(b"\xff\xff\xff\xff")
