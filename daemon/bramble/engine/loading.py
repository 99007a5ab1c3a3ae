"""Opens a model: looks at the file, chooses how to hold the weights, warms up. Says no in words, never half-way."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bramble.engine import kernels
from bramble.engine.batch import Pace
from bramble.engine.card import card_of
from bramble.engine.context import Context
from bramble.engine.keeper import Keeper, kept_files
from bramble.engine.llama import LoadError, Model, nothing_else
from bramble.engine.lookup import keep_in_file
from bramble.engine.plan import plan
from bramble.engine.prefix import PrefixCache
from bramble.engine.rpc import Spread, WorkerAway, spread, stay_alive
from bramble.engine.survey import Plan
from bramble.engine.template import CHATML, ChatTemplate, TemplateRefusal
from bramble.engine.threads import cores, pin
from bramble.engine.tune import MEASURED_FROM, SLOW, Counts, key, quick, recall, remember, touch
from bramble.engine.warm import warm_up
from bramble.engine.wire import Load, Ready, TemplateKind
from bramble.engine.zeros import zeros_given_back

MAGIC = b"GGUF"


class CannotLoad(Exception):
    """Why this model cannot be used, and what might help."""

    def __init__(self, message: str, hint: str, needed: int = 0, *, again: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.needed = needed
        """Bytes of memory that it takes at least, where that is what is missing."""
        self.again = again
        """Whether it may help soon to try again."""


@dataclass
class Loaded:
    """Everything the worker's loop needs."""

    model: Model
    context: Context
    cache: PrefixCache
    keeper: Keeper
    pace: Pace
    template: ChatTemplate
    ready: Ready
    threads: Counts
    cores: list[int]
    slowest_ms: float
    """The longest step so far."""


def load(order: Load, progress: Callable[[float], None]) -> Loaded:
    """Open `order.model`. Raises CannotLoad; `progress` is called with 0..1."""
    began = time.monotonic()
    path = Path(order.model)
    on = cores()  # before anything is computed: that pins this thread
    held, shared = _look(order)
    if not held.fits:
        raise CannotLoad(
            f"The model {path.name} does not fit the memory. {held.reasons[0]}",
            held.advice,
            held.needed,
        )
    with _damage_told(path):
        # With repacked weights a mapped file would be a second copy; without, mapped pages can be given back.
        model = Model(
            path,
            mmap=not held.repack,
            repack=held.repack,
            progress=progress,
            adjust=shared.apply if shared else nothing_else,
        )
        keep_in_file(model, path)
        _check_chats(model, path)
        template, kind = _template(model)
        with zeros_given_back(held.kv):
            context = Context(
                model,
                size=held.context,
                slots=held.slots,
                batch=held.batch,
                threads=len(on),
                guess_rows=order.draft,
                windowed=held.windowed,
            )
    if shared:
        stay_alive()
    pin(context, decode=len(on), prefill=len(on), on=on)
    pace = Pace(
        rows_max=held.batch,
        max_step_ms=order.max_step_ms,
        guess_rows=order.draft,
    )
    threads = _threads(order, model, context, on)
    pin(context, decode=threads.decode, prefill=threads.prefill, on=on)
    progress(1.0)
    trims, slowest = warm_up(context, model, pace, progress)
    if not trims:
        pace.stop_guessing()
    seconds = time.monotonic() - began
    files = kept_files(order, model, pace, context=context.size, seconds=seconds)
    cache = PrefixCache(context, held.slots, trims=trims, aside=order.aside, files=files)
    return Loaded(
        model,
        context,
        cache,
        Keeper(files, cache, model, template),
        pace,
        template,
        _ready(order, held, shared, model, context, kind, threads, len(on), seconds),
        threads,
        on,
        slowest,
    )


def _threads(order: Load, model: Model, context: Context, on: list[int]) -> Counts:
    """What was ordered; else what was measured on an earlier load; else what is measured now, if there is a choice."""
    found = Counts(len(on), len(on))
    if not (order.threads and order.prefill_threads):
        found = _measured(order, model, context, on) or found
    return Counts(
        min(order.threads or found.decode, len(on)),
        min(order.prefill_threads or found.prefill, len(on)),
    )


def _measured(order: Load, model: Model, context: Context, on: list[int]) -> Counts | None:
    this = key(Path(order.model), len(on))
    file = Path(order.tuning) if order.tuning else None
    known = recall(file, this) if file else None
    if known is not None:
        return known
    if len(on) < MEASURED_FROM:
        return None
    token = model.tokenize("a")[-1]
    if touch(context, token) > SLOW:
        return None
    found = quick(context, token, on)
    if found is not None and file is not None:
        with suppress(OSError):  # it is only a memory: the next load measures again
            remember(file, this, found)
    return found


def look(order: Load) -> Plan:
    """Plan how `order.model` would be held; no weight is read. Raises CannotLoad where it is no usable file."""
    return _look(order)[0]


def _look(order: Load) -> tuple[Plan, Spread | None]:
    path = Path(order.model)
    check_file(path)
    with _damage_told(path):
        try:
            shared = spread(order)
        except WorkerAway as error:
            raise CannotLoad(
                str(error),
                "Look whether `bramble worker` runs there (engine.rpc); it is tried again by itself.",
                again=True,
            ) from error
        return plan(order, shared), shared


@contextmanager
def _damage_told(path: Path) -> Generator[None]:
    try:
        yield
    except LoadError as error:
        raise CannotLoad(
            f"The model file {path.name} cannot be used: {error}.",
            "The file is damaged or not made for this version; fetch it again or choose another model.",
        ) from error


def check_file(path: Path) -> None:
    """Tell a person at once what llama.cpp would take longer to say less clearly."""
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotLoad(
            f"The model file {path} cannot be read: {reason}.",
            "Check engine.model and the file's permissions.",
        ) from error
    if start != MAGIC:
        raise CannotLoad(
            f"{path.name} is not a GGUF model file.",
            "engine.model takes a .gguf file or a name from `bramble models list`.",
        )


def _check_chats(model: Model, path: Path) -> None:
    causal = model.meta(f"{model.meta('general.architecture')}.attention.causal")
    if causal == "false" or not model.has_decoder():
        raise CannotLoad(
            f"{path.name} is an embedding model: it cannot chat.",
            "Choose a chat model as engine.model.",
        )


def _template(model: Model) -> tuple[ChatTemplate, TemplateKind]:
    source = model.chat_template()
    try:
        template = ChatTemplate(source or CHATML, bos=model.bos, eos=model.eos)
    except TemplateRefusal as error:
        raise CannotLoad(
            f"The model's chat template cannot be used: {error}.",
            "Choose another model.",
        ) from error
    return template, "model" if source else "chatml"


def _ready(
    order: Load,
    held: Plan,
    shared: Spread | None,
    model: Model,
    context: Context,
    template: TemplateKind,
    threads: Counts,
    core_count: int,
    seconds: float,
) -> Ready:
    return Ready(
        name=order.name or model.meta("general.name") or Path(order.model).stem,
        description=model.description(),
        size=model.size,
        parameters=model.parameters,
        context=context.size,
        context_trained=model.context_trained,
        slots=held.slots,
        threads=threads.decode,
        load_seconds=round(seconds, 3),
        template=template,
        notes=(
            *held.reasons,
            *((shared.note(),) if shared else ()),
            *_notes(order, model, context, template, core_count),
        ),
        prefill_threads=threads.prefill,
        kernels=kernels.variant(),
        card=card_of(model, order.model, CHATML if template == "chatml" else ""),
    )


def _notes(
    order: Load, model: Model, context: Context, template: str, core_count: int
) -> tuple[str, ...]:
    notes: list[str] = []
    wanted = max(order.threads, order.prefill_threads)
    if template == "chatml":
        notes.append("The model has no chat template of its own; ChatML is used.")
    if context.size > model.context_trained:
        notes.append(
            f"engine.context is {context.size} tokens, but the model was trained on {model.context_trained}."
        )
    if wanted > core_count:
        notes.append(f"engine.threads is {wanted}, but only {core_count} cores are there.")
    return tuple(notes)
