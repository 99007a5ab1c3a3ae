"""`bramble bench`: how fast a model is here and how near that is to what memory allows. It opens no model itself."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress
from rich.table import Table

from bramble.config import Config, EngineSettings
from bramble.engine.survey import Bench, Report, Speed, Step
from bramble.engine.wire import Load
from bramble.models.library import resolve
from bramble.survey import run, tuning_file


def measure(
    path: Path,
    *,
    engine: EngineSettings | None = None,
    threads: Sequence[int] = (),
    prompt: int = 512,
    generate: int = 128,
    repetitions: int = 3,
    tuning: Path | None = None,
    progress: Callable[[Step], None] = lambda _: None,
) -> Report:
    """Measure the model in this file, in a process of its own that is gone afterwards; takes about a minute on a PC.

    `threads` are the counts to try, empty for the sensible ones; `prompt` and `generate` are the lengths of what is
    prefilled and decoded, in tokens; every figure is the median of `repetitions`. In the file `tuning` the best counts
    are remembered, None is nowhere. `engine` gives batch, priority and spin, by default the settings' own.
    `progress` is told every step.

    Raises ModelUnavailable where the model cannot be used, survey.Damaged where it kills the process.
    """
    engine = engine or EngineSettings()
    load = Load(
        model=str(path),
        context=max(prompt, generate, 256),
        slots=1,
        threads=0,
        batch=engine.batch,
        max_step_ms=engine.max_step_ms,
        nice=engine.nice,
        tuning=str(tuning) if tuning else "",
    )
    order = Bench(load, tuple(threads), prompt, generate, repetitions)
    return run(order, spin=engine.spin, progress=progress)


def command(
    config: Config,
    model: str,
    *,
    prompt: int,
    generate: int,
    repetitions: int,
    tune: bool,
    as_json: bool,
) -> None:
    """What `bramble bench` does: measure with a progress bar on stderr, print a table or JSON on stdout."""
    path = resolve(model, config.models_dir)
    console = Console(stderr=True)
    columns = "{task.description}", BarColumn()
    hidden = as_json or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("starting", total=1.0)

        def progress(step: Step) -> None:
            bar.update(task, description=step.what, completed=step.fraction)

        report = measure(
            path,
            engine=config.engine,
            prompt=prompt,
            generate=generate,
            repetitions=repetitions,
            tuning=tuning_file(config.state_dir) if tune else None,
            progress=progress,
        )
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        show(report)


def show(report: Report) -> None:
    """Print a report for people."""
    console = Console()
    console.print(
        f"[bold]{escape(report.model)}[/] · {report.description} · {megabytes(report.file_bytes)}"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("threads", justify="right")
    for what, tokens in ("prefill", report.prompt_tokens), ("decode", report.generated_tokens):
        table.add_column(f"{what}, {tokens} tokens", justify="right")
    for prefill, decode in zip(report.prefill, report.decode, strict=True):
        table.add_row(
            str(decode.threads), _rate(prefill, report.prefill), _rate(decode, report.decode)
        )
    console.print(table)
    console.print(
        f"Memory is read at {report.memory_bandwidth_bytes_per_second / 1e9:.1f} GB/s by"
        f" {report.cores} core{'s' * (report.cores > 1)}; a token reads"
        f" {megabytes(report.bytes_per_token)} of weights, so decoding reaches"
        f" {report.share_of_bandwidth:.0%} of what memory allows.",
        f"Loaded in {report.load_seconds:.1f} s, at most {megabytes(report.peak_memory_bytes)} of memory.",
        *([f"Computed by ggml's {report.kernels} kernels."] if report.kernels else []),
        *_chosen(report),
        *map(escape, report.notes),
        sep="\n",
    )


def _chosen(report: Report) -> list[str]:
    if not report.decode_threads:
        return []
    return [
        f"Remembered for this board, model and build: {report.decode_threads} to decode,"
        f" {report.prefill_threads} to prefill; engine.threads: auto uses that from the next start on."
    ]


def _rate(speed: Speed, all_: tuple[Speed, ...]) -> str:
    best = speed is max(all_, key=lambda each: each.tokens_per_second)
    text = f"{speed.tokens_per_second:.1f} tok/s"
    return f"[bold]{text}[/]" if best else text


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
