"""Frames to and from bytes. Whatever a client sends becomes a frame, or an `error` for it that says why not."""

from collections.abc import Iterator
from typing import get_args

import msgspec

from bramble.chat.answer import Answer, Over, Text, Update
from bramble.engine import wire
from bramble.engine.client import Paused
from bramble.errors import BrambleError, Busy, PromptTooLong
from bramble.scheduler import Queued
from bramble.server import frames
from bramble.server.errors import malformed
from bramble.server.frames import Error, ToClient
from bramble.server.incoming import FromClient


class _Envelope(msgspec.Struct):
    """What is still read of a frame that is not as declared, to answer it."""

    type: str
    ref: object = None


TYPES = {frame.__struct_config__.tag for frame in get_args(FromClient)}

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)
_envelope = msgspec.json.Decoder(_Envelope)

encode = _encoder.encode


def decode(data: bytes) -> FromClient | Error:
    """A frame as it came in."""
    try:
        return _decoder.decode(data)
    except (ValueError, RecursionError) as error:
        return _rejection(data, malformed(error))


def failure(error: BrambleError, *, ref: str | None = None, answer: int | None = None) -> Error:
    """Tell a client what did not work; `ref` or `answer` say with what."""
    params: dict[str, int] = {}
    if isinstance(error, PromptTooLong):
        params = {"prompt_tokens": error.prompt_tokens, "context": error.context}
    return Error(
        code=error.code,
        message=error.message,
        hint=error.hint,
        ref=ref,
        answer=answer,
        retry_after=error.retry_after if isinstance(error, Busy) else None,
        params=params,
    )


def translate(answer: Answer, update: Update) -> Iterator[ToClient]:
    """What a follower of this answer is told of an update."""
    match update:
        case Text(n, text):
            yield frames.Piece(answer.id, n, text)
        case Queued(position, eta):
            yield frames.Queued(answer.id, position, eta)
        case wire.Started():
            yield frames.Started(answer.id, update.prompt_tokens, update.cached_tokens)
        case wire.Progress():
            yield frames.Progress(answer.id, update.done, update.total)
        case Paused(message):
            yield frames.Paused(answer.id, message)
        case Over():
            if update.error is not None:
                yield failure(update.error, answer=answer.id)
            yield _done(answer, update)


def _done(answer: Answer, over: Over) -> frames.Done:
    done = over.done
    return frames.Done(
        answer=answer.id,
        message=answer.reply,
        n=over.n,
        reason=over.reason,
        usage=_usage(done) if done else None,
        timings=_timings(done) if done else None,
        trimmed=answer.trimmed,
        cached=answer.recalled,
    )


def _usage(done: wire.Done) -> frames.Usage:
    return frames.Usage(done.prompt_tokens, done.cached_tokens, done.completion_tokens)


def _timings(done: wire.Done) -> frames.Timings:
    """The rate counts from the first token: the time to it is the prompt's."""
    later = done.completion_tokens - 1
    rate = round(later * 1000 / done.decode_ms, 1) if later > 0 and done.decode_ms > 0 else None
    return frames.Timings(round(done.prefill_ms, 1), round(done.decode_ms, 1), rate)


def _rejection(data: bytes, error: BrambleError) -> Error:
    try:
        envelope = _envelope.decode(data)
    except (ValueError, RecursionError):
        return Error(code="bad_frame", message=error.message)
    ref = envelope.ref if isinstance(envelope.ref, str) else None
    if envelope.type not in TYPES:
        message = f"There is no frame of type {envelope.type[:64]!r}."
        return Error(code="unknown_type", message=message, ref=ref)
    return Error(code="bad_frame", message=error.message, ref=ref)
