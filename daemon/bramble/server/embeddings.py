"""POST /v1/embeddings as OpenAI's clients know it: texts or tokens in, vectors of length 1 out."""

import asyncio
from array import array
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from bramble.engine.embedder import Embedder, Embeddings, Text
from bramble.errors import BadRequest, NotFound
from bramble.server.body import read_body

TEXTS = 2048
"""Most inputs of one request, as at OpenAI; the size of the body bounds their length."""
NUMBERS_AT_ONCE = 16_384
"""Numbers written as JSON before others get their turn: about 2 ms on a Raspberry Pi."""

Token = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]


class EmbeddingsBody(msgspec.Struct):
    """The body. What it does not name is ignored; there is one embedding model, whatever `model` says."""

    input: str | list[str | Token | list[Token]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=1 << 20)] | None = None

    def texts(self) -> tuple[Text, ...]:
        """One or many texts, each as words or tokens. Raises BadRequest where there is nothing to embed."""
        given = [self.input] if isinstance(self.input, str) else self.input
        tokens = [each for each in given if isinstance(each, int)]
        texts = [
            each if isinstance(each, str) else tuple(each)
            for each in given
            if not isinstance(each, int)
        ]
        if tokens and texts:
            raise BadRequest("input mixes tokens with texts.", field="input")
        texts = texts or [tuple(tokens)]
        if not all(texts):
            raise BadRequest("input must not be empty, nor any text in it.", field="input")
        if len(texts) > TEXTS:
            raise BadRequest(
                f"input has {len(texts)} texts; {TEXTS} are taken at once.", field="input"
            )
        return tuple(texts)


_decoder = msgspec.json.Decoder(EmbeddingsBody)


class EmbeddingsRoom:
    """The handler; without an embedder it says how to get one."""

    def __init__(self, embedder: Embedder | None) -> None:
        self._embedder = embedder

    def add_to(self, app: web.Application) -> None:
        """Put the route in."""
        app.router.add_post("/v1/embeddings", self.embed)

    async def embed(self, request: web.Request) -> web.Response:
        """POST /v1/embeddings. A client that leaves cancels its work."""
        if self._embedder is None:
            raise NotFound(
                "No embedding model is configured.",
                "Put `embedding:` and below it `  model: /path/of/a/model.gguf` into config.yaml.",
            )
        body = await read_body(request, _decoder)
        answer = await self._embedder.embed(body.texts(), dimensions=body.dimensions or 0)
        as_text = body.encoding_format == "base64"
        data = await _encoded(answer, self._embedder.name, as_text=as_text)
        return web.Response(body=data, content_type="application/json")


async def written(vectors: Sequence[bytes], write: Callable[[bytes], bytes]) -> list[bytes]:
    """Each vector as JSON, a few at a time so that nobody's stream halts."""
    parts: list[bytes] = []
    numbers = 0
    for vector in vectors:
        parts.append(write(vector))
        numbers += len(vector) // 4
        if numbers >= NUMBERS_AT_ONCE:
            numbers = 0
            await asyncio.sleep(0)
    return parts


def as_numbers(vector: bytes) -> bytes:
    """A list of numbers."""
    return msgspec.json.encode(array("f", vector).tolist())


def _as_text(vector: bytes) -> bytes:
    return b'"%b"' % b64encode(vector)


async def _encoded(answer: Embeddings, model: str, *, as_text: bool) -> bytes:
    values = await written(answer.vectors, _as_text if as_text else as_numbers)
    parts = [
        b'{"object":"embedding","index":%d,"embedding":%b}' % (index, value)
        for index, value in enumerate(values)
    ]
    usage = {"prompt_tokens": answer.tokens, "total_tokens": answer.tokens}
    return b'{"object":"list","data":[%b],"model":%b,"usage":%b}' % (
        b",".join(parts),
        msgspec.json.encode(model),
        msgspec.json.encode(usage),
    )
