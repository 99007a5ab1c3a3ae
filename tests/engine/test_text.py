"""Text streams: whole characters, stop strings, and nothing lost between them."""

from hypothesis import given
from hypothesis import strategies as st

from bramble.engine.text import TextStream


def feed_all(stream: TextStream, data: bytes, size: int) -> list[str]:
    """Feed bytes in chunks of `size` until the stream stops; return what it released, the end included."""
    pieces: list[str] = []
    for start in range(0, len(data), size):
        pieces.append(stream.feed(data[start : start + size]))
        if stream.stopped:
            return pieces
    return [*pieces, stream.finish()]


@given(st.text(), st.integers(1, 5))
def test_any_chunking_gives_the_same_whole_characters(text: str, size: int) -> None:
    pieces = feed_all(TextStream(()), text.encode(), size)
    assert "".join(pieces) == text
    assert "\ufffd" not in "".join(pieces) or "\ufffd" in text


@given(
    st.text(alphabet="ab中🌱"),
    st.lists(st.text(alphabet="ab中🌱", min_size=1, max_size=4), min_size=1, max_size=4),
    st.integers(1, 3),
)
def test_text_is_cut_before_the_first_stop_string(text: str, stops: list[str], size: int) -> None:
    stream = TextStream(tuple(stops))
    shown = "".join(feed_all(stream, text.encode(), size))
    assert text.startswith(shown)
    if stream.stopped:
        assert any(text.startswith(stop, len(shown)) for stop in stops)
        assert not any(stop in shown for stop in stops)
    else:
        assert shown == text
        assert not any(stop in text for stop in stops)


def test_what_cannot_become_a_stop_string_is_released_at_once() -> None:
    stream = TextStream(("STOP",))
    assert stream.feed(b"ab") == "ab"
    assert stream.feed(b"cS") == "c"
    assert stream.feed(b"T") == ""
    assert stream.feed(b"x") == "STx"
    assert not stream.stopped


def test_half_a_character_at_the_end_is_marked() -> None:
    stream = TextStream(())
    assert stream.feed("中".encode()[:2]) == ""
    assert stream.finish() == "\ufffd"
