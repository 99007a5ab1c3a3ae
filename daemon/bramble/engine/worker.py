"""The engine's loop: drain messages, compose a step, decode, sample, emit. One thread, nothing else running.

No JSON, no logging a token, no waiting except for the next message when there is nothing to do.
"""

import time

from bramble.engine import heap, wire
from bramble.engine.ahead import CHUNK_MS, Ahead
from bramble.engine.asked import Asked, CannotAnswer
from bramble.engine.batch import Output, Step
from bramble.engine.channel import Channel
from bramble.engine.draft import Guess
from bramble.engine.loading import Loaded
from bramble.engine.question import Apply, Detokenize, Inspect, Tokenize
from bramble.engine.questions import Questions
from bramble.engine.restraint import Restraint
from bramble.engine.slot import Job, Slot, stop_at
from bramble.engine.text import TextStream


class Worker:
    """Owns the loop and the counters; `parts` is the loaded model."""

    def __init__(self, channel: Channel, parts: Loaded) -> None:
        self._channel = channel
        self._model, self._context = parts.model, parts.context
        self._cache, self._pace = parts.cache, parts.pace
        self._asked = Asked(parts.model, parts.template, parts.context.size)
        self._ahead = Ahead(
            parts.model, parts.template, parts.context.size, marked=parts.cache.marks
        )
        self._restraint, self._keeper = Restraint(parts), parts.keeper
        self._questions = Questions(parts.model, parts.template, parts.cache)
        self._events: list[wire.Event] = []
        self._steps = self._prompted = self._cached = self._completed = self._rested = 0
        self._slowest = parts.slowest_ms
        self._leaving = False

    def run(self) -> None:
        """Work until told to leave or the daemon is gone."""
        while not self._leaving:
            idle = not self._pressing()
            if idle:
                self._rest()
            for message in self._channel.receive(wait=idle):
                self._handle(message)
            if self._leaving:
                break
            if self._busy():
                self._step()
            elif self._ahead:
                self._compute_ahead()
            elif self._keeper:
                self._keeper.work()
            if self._events:
                self._channel.send(wire.Events(tuple(self._events)))
                self._events.clear()

    def _rest(self) -> None:
        """Nobody waits: what states that came and went have left free in the heap goes back to the system."""
        if self._rested < self._steps:
            self._rested = self._steps
            heap.give_back()

    def _pressing(self) -> bool:
        """Whether there is anything to do but wait."""
        return self._busy() or bool(self._ahead) or bool(self._keeper)

    def _busy(self) -> bool:
        return any(slot.job is not None for slot in self._cache.slots)

    def _handle(self, message: wire.ToEngine) -> None:
        match message:
            case wire.Generate():
                self._begin(message)
            case wire.Typing():
                self._ahead.put(message)
            case wire.Cancel(id):
                self._cancel(id)
            case Tokenize() | Detokenize() | Apply() | Inspect():
                self._events.append(self._questions.answer(message))
            case wire.Limits():
                self._restraint.obey(message)
                self._ahead.allow(message.ahead)
                self._keeper.allow(message.ahead)
            case wire.Forget(conversation, system):
                self._keeper.forget(conversation, system)
            case wire.Ping(n):
                self._channel.send(self._pong(n))
            case wire.Shutdown(seconds):
                self._keeper.save(seconds)
                self._leaving = True
            case wire.Load() | wire.LoadEmbedding() | wire.Embed():
                raise RuntimeError(
                    "a second Load: the daemon starts a new engine for another model"
                )

    def _pong(self, n: int) -> wire.Pong:
        return wire.Pong(
            n=n,
            steps=self._steps,
            prompt_tokens=self._prompted,
            cached_tokens=self._cached,
            completion_tokens=self._completed,
            running=sum(slot.job is not None for slot in self._cache.slots),
            slowest_step_ms=round(self._slowest, 1),
            threads=self._restraint.threads,
        )

    # ── requests ─────────────────────────────────────────────────────────────────────────────────

    def _begin(self, request: wire.Generate) -> None:
        try:
            tokens = self._asked.tokens(request)
            room = self._context.size - len(tokens)
            if room < 1 or not tokens:
                self._refuse_size(request.id, len(tokens))
                return
            job, reason = self._job(request, tokens, min(request.max_tokens, room))
        except CannotAnswer as error:
            self._refuse(request.id, "bad_request", str(error))
            return
        slot = None if reason else self._cache.claim(job)
        if slot is None and not reason:
            job.sampler.close()
            self._refuse(request.id, "internal", "The engine has no free slot.")
            return
        job.cached = min(job.cached, len(tokens))
        self._prompted += len(tokens)
        self._cached += job.cached
        self._events.append(wire.Started(request.id, len(tokens), job.cached))
        self._keeper.seen(request, tokens)
        if reason:
            self._close(job, reason)
            job.sampler.close()

    def _job(
        self, request: wire.Generate, tokens: list[int], limit: int
    ) -> tuple[Job, wire.FinishReason | None]:
        """What is to be done, and why nothing is where all of it was said before. Raises CannotAnswer."""
        said = self._asked.said(request)
        sampler = self._asked.sampler(request, tokens, said)
        text = TextStream(request.stop)
        text.go_on(map(self._model.piece, request.said.tokens), request.said.shown)
        marks = self._asked.marks(request, tokens) if self._cache.marks else []
        job = Job(request.id, [*tokens, *said], len(tokens), limit, sampler, text, marks)
        job.conversation = request.conversation
        if said and self._model.ends(said[-1]):
            return job, "stop"
        return job, self._reason(job)

    def _refuse(self, id: int, code: wire.RefusalCode, message: str) -> None:
        self._events.append(wire.Refused(id, code, message))

    def _refuse_size(self, id: int, size: int) -> None:
        message = f"The prompt has {size} tokens, the context holds {self._context.size}."
        self._events.append(
            wire.Refused(id, "context_length_exceeded", message, size, self._context.size)
        )

    def _cancel(self, id: int) -> None:
        for slot in self._cache.slots:
            if slot.job is not None and slot.job.id == id:
                self._finish(slot, "cancelled")

    # ── one step ─────────────────────────────────────────────────────────────────────────────────

    def _step(self) -> None:
        self._cache.unpark()
        began = time.monotonic()
        step = self._decode()
        for output in step.outputs:
            self._take(output)
        self._report(step)
        ms = (time.monotonic() - began) * 1000
        self._pace.learn(
            decoding=step.decoding,
            prefill=step.prefill,
            guessed=step.guessed,
            filled=step.filled,
            ms=ms,
        )
        self._slowest = max(self._slowest, ms)
        self._steps += 1

    def _compute_ahead(self) -> None:
        """A short step for what somebody is typing; whatever cannot be done at once is left."""
        tokens, marks, conversation = self._ahead.newest()
        slot = self._cache.place(tokens, conversation) if tokens else None
        if slot is None:
            self._ahead.drop_newest()
            return
        start = len(slot.held)
        rows = stop_at(marks, start, self._pace.rows(CHUNK_MS))
        chunk = tokens[start : start + rows]
        self._context.clear_rows()
        self._context.add_rows(slot.sequence, chunk, start, outputs=0)
        computed = self._context.decode()
        if computed:
            slot.held += chunk
            if len(slot.held) in marks:
                self._cache.checkpoint(slot)
        if not computed or len(slot.held) == len(tokens):
            self._ahead.drop_newest()

    def _decode(self) -> Step:
        """Compose and compute; where the cache is full, make room and try again."""
        while True:
            step = Step()
            step.compose(self._context, self._cache.slots, self._pace)
            if not step.taken or self._context.decode():
                step.settle()
                for slot in step.marked:
                    self._cache.checkpoint(slot)
                return step
            if not self._cache.make_room():
                for slot, _ in step.taken:
                    self._finish(slot, "length")
            self._events += [
                slot.job.piece()
                for slot in self._cache.slots
                if slot.parked and slot.job and slot.job.unsent
            ]

    def _take(self, output: Output) -> None:
        """Draw a slot's next token, and more for as long as its guess comes true."""
        slot, job = output.slot, output.slot.job
        if job is None:
            return
        text, reason, right = "", None, 0
        for row, guessed in enumerate([*output.guess.tokens, None], start=output.row):
            token = job.sampler.draw(self._context, row)
            reason, shown = self._append(job, token)
            text += shown
            if reason or token != guessed:
                break
            slot.held.append(token)
            right += 1
        if job.due(text):
            self._events.append(job.piece())
        self._verify(slot, job, right, output.guess)
        if reason:
            self._finish(slot, reason)

    def _verify(self, slot: Slot, job: Job, right: int, guess: Guess) -> None:
        """Drop the cells of guesses that did not come true, and remember how good they were."""
        guessed = len(guess.tokens)
        if right < guessed:
            self._context.forget(slot.sequence, len(slot.held))
        if guessed and guess.match:
            job.record.verified(guess.match, right, guessed)
        else:
            job.record.idle()

    def _append(self, job: Job, token: int) -> tuple[wire.FinishReason | None, str]:
        """Take a drawn token in: whether it ends the answer, and the characters that are certain now."""
        job.first = job.first or time.monotonic()
        job.tokens.append(token)
        self._completed += 1
        if self._model.ends(token):
            return "stop", ""
        text = job.text.feed(self._model.piece(token))
        return self._reason(job), text

    def _reason(self, job: Job) -> wire.FinishReason | None:
        """Why nothing may follow what was drawn, if so."""
        if job.text.stopped or job.sampler.over:
            return "stop"
        return "length" if job.drawn >= job.limit else None

    def _finish(self, slot: Slot, reason: wire.FinishReason) -> None:
        if slot.job is not None:
            self._close(slot.job, reason)
            self._cache.release(slot)

    def _close(self, job: Job, reason: wire.FinishReason) -> None:
        """The last that is told of an answer."""
        if reason != "cancelled" and not job.text.stopped:
            job.unsent += job.text.finish()
        if job.unsent:
            self._events.append(job.piece())
        self._events.append(job.done(reason))

    def _report(self, step: Step) -> None:
        """Prefill progress of everyone who took rows and has no token yet."""
        for slot, _ in step.taken:
            job = slot.job
            if job is not None and not job.first and len(slot.held) > job.reported:
                job.reported = len(slot.held)
                self._events.append(wire.Progress(job.id, job.reported, job.start))
