"""What the engine and the embedding process are started with: the settings, as their first message."""

import os
from pathlib import Path

import msgspec

from bramble.config import Config, thread_counts
from bramble.engine.client import EngineSpec
from bramble.engine.embedder import Embedder
from bramble.engine.wire import Load, LoadEmbedding
from bramble.errors import ModelUnavailable, NotFound
from bramble.models.catalogue import catalogue
from bramble.models.library import resolve
from bramble.survey import alternatives, kept_folder, tuning_file

EMBEDDING_NICER = 10
"""How much nicer embedding is than chatting: it gets a tenth of a core that both want."""
EMBEDDING_SPIN = 1000


def engine_spec(
    config: Config, model: Path, name: str = "", group: Path | None = None
) -> EngineSpec:
    """How the engine is started with this file; `name` is what it is called in `bramble models list`.

    It runs in the control group for engines where there is one.
    """
    engine = config.engine
    known = catalogue(config.models_dir)
    threads = thread_counts(engine.threads)
    load = Load(
        model=str(model),
        context=engine.context,
        slots=engine.slots,
        threads=threads.decode,
        prefill_threads=threads.prefill,
        tuning=str(tuning_file(config.state_dir)),
        cores=tuple(sorted(os.sched_getaffinity(0))),
        batch=engine.batch,
        max_step_ms=engine.max_step_ms,
        draft=engine.draft,
        aside=engine.aside << 20,
        kept=str(kept_folder(config.state_dir)),
        kept_bytes=engine.kept << 20,
        nice=engine.nice,
        ionice=engine.ionice,
        rpc=engine.rpc,
        name=known[name].title if name in known else "",
        alternatives=alternatives(),
    )
    return EngineSpec(load, engine.spin, group=group)


def like(first: EngineSpec, spec: EngineSpec, cores: tuple[int, ...]) -> EngineSpec:
    """Started as the first engine was, and on all the cores of then: this process keeps to fewer by now."""
    load = msgspec.structs.replace(spec.load, cores=cores)
    return msgspec.structs.replace(first, load=load)


def embedder(config: Config, group: Path | None = None) -> Embedder | None:
    """What makes vectors of texts, where a model for that is named. A missing file hinders nobody's chat."""
    settings = config.embedding
    if not settings.model:
        return None
    nice = min(config.engine.nice + EMBEDDING_NICER, 19)

    def spec() -> EngineSpec:
        try:
            file = resolve(settings.model, config.models_dir)
        except NotFound as error:
            raise ModelUnavailable(
                error.message, "Set embedding.model to the GGUF file of an embedding model."
            ) from error
        load = LoadEmbedding(
            str(file), settings.context, settings.threads, nice, name, config.engine.ionice
        )
        return EngineSpec(load, EMBEDDING_SPIN, group=group)

    name = Path(settings.model).name.removesuffix(".gguf")
    return Embedder(spec, name=name, idle_unload=settings.idle_unload)
