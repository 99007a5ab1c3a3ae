"""The embedding engine's loop: take messages, compute one batch, answer who is complete. Requests take turns."""

from collections import deque
from dataclasses import dataclass, field

from bramble.engine import wire
from bramble.engine.channel import Channel
from bramble.engine.embed_model import EmbeddingModel, normalized

Text = str | tuple[int, ...]


@dataclass
class _Job:
    """One request: what is still to embed, and the vectors so far."""

    id: int
    texts: list[list[int]]
    dimensions: int
    tokens: int
    vectors: list[bytes] = field(default_factory=list[bytes])
    cancelled: bool = False

    @property
    def rest(self) -> list[list[int]]:
        return self.texts[len(self.vectors) :]


class _Refusal(Exception):
    """Why one request cannot be answered."""

    def __init__(self, message: str, *, tokens: int = 0, context: int = 0) -> None:
        super().__init__(message)
        self.tokens, self.context = tokens, context


class EmbedWorker:
    """Serves requests in turns of one batch each."""

    def __init__(self, channel: Channel, model: EmbeddingModel) -> None:
        self._channel, self._model = channel, model
        self._jobs: deque[_Job] = deque()
        self._leaving = False
        self._steps = self._tokens = 0

    def run(self) -> None:
        """Work until told to leave."""
        while not self._leaving:
            self._hear(wait=not self._jobs)
            if self._jobs and not self._leaving:
                self._turn()

    def _hear(self, *, wait: bool = False) -> None:
        for message in self._channel.receive(wait=wait):
            match message:
                case wire.Embed():
                    self._accept(message)
                case wire.Cancel(id):
                    for job in self._jobs:
                        job.cancelled = job.cancelled or job.id == id
                case wire.Ping(n):
                    self._channel.send(self._pong(n))
                case wire.Shutdown():
                    self._leaving = True
                case _:
                    pass

    def _accept(self, request: wire.Embed) -> None:
        try:
            texts = [self._tokens_of(n, text, request.cut) for n, text in enumerate(request.texts)]
            if request.dimensions > self._model.dimensions:
                raise _Refusal(
                    f"dimensions is {request.dimensions}, but the model's vectors have {self._model.dimensions}."
                )
        except _Refusal as refusal:
            self._refuse(request.id, refusal)
            return
        self._jobs.append(_Job(request.id, texts, request.dimensions, sum(map(len, texts))))

    def _tokens_of(self, number: int, text: Text, cut: bool) -> list[int]:
        tokens = self._model.tokenize(text) if isinstance(text, str) else list(text)
        context = self._model.context
        if not tokens:
            raise _Refusal(f"Text {number + 1} is empty.")
        if len(tokens) > context and cut:
            tokens = [*tokens[: context - 1], tokens[-1]]  # the last may be what ends every text
        if len(tokens) > context:
            raise _Refusal(
                f"Text {number + 1} is too long: it has {len(tokens)} tokens "
                f"and the embedding model takes {context}.",
                tokens=len(tokens),
                context=context,
            )
        for token in tokens:
            if not self._model.is_token(token):
                raise _Refusal(
                    f"Text {number + 1} has a token {token} that the model does not know."
                )
        return tokens

    def _turn(self) -> None:
        """One batch of the job whose turn it is; then the next one's."""
        job = self._jobs[0]
        if not job.cancelled:
            self._compute(job)
        self._jobs.popleft()
        if not job.cancelled:
            if job.rest:
                self._jobs.append(job)
            else:
                self._emit(wire.Embedded(job.id, tuple(job.vectors), job.tokens))

    def _compute(self, job: _Job) -> None:
        texts = job.rest[: self._model.pack(job.rest)]
        vectors = self._model.embed(texts, between=self._hear)
        self._steps += 1
        self._tokens += sum(map(len, texts))
        try:
            job.vectors += [normalized(vector, job.dimensions) for vector in vectors]
        except ValueError as error:
            job.cancelled = True
            self._emit(wire.Refused(job.id, "internal", f"{error}.".capitalize()))

    def _refuse(self, id: int, refusal: _Refusal) -> None:
        code = "context_length_exceeded" if refusal.context else "bad_request"
        self._emit(wire.Refused(id, code, str(refusal), refusal.tokens, refusal.context))

    def _emit(self, event: wire.Event) -> None:
        self._channel.send(wire.Events((event,)))

    def _pong(self, n: int) -> wire.Pong:
        running, slowest = len(self._jobs), self._model.slowest_ms
        return wire.Pong(n, self._steps, self._tokens, 0, 0, running, slowest)
