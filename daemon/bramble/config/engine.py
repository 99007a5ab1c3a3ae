"""The settings of the engine process."""

from typing import Annotated, Literal, NewType

from msgspec import Meta, Struct

Endpoint = NewType("Endpoint", str)
"""A machine and a port: `192.168.1.12:50052` or `pi2.local:50052`."""


class ThreadCounts(Struct, frozen=True):
    """Cores for writing answers and for reading prompts. What is not given is 0: as many as are fastest."""

    decode: Annotated[int, Meta(ge=1, le=256)] = 0
    prefill: Annotated[int, Meta(ge=1, le=256)] = 0


def thread_counts(setting: int | str | ThreadCounts) -> ThreadCounts:
    """What `engine.threads` means for both."""
    if isinstance(setting, ThreadCounts):
        return setting
    return ThreadCounts(setting, setting) if isinstance(setting, int) else ThreadCounts()


class EngineSettings(Struct, frozen=True):
    """The model and how it computes."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            description="Name from `bramble models list`, or path of a GGUF file; auto is models.default, the starter"
            " until that is here. What is chosen on the page counts more, until this setting changes.",
        ),
    ] = "auto"
    context: Annotated[
        int,
        Meta(
            ge=256,
            le=1_048_576,
            description="Tokens kept in memory for all answers together; the longest a conversation can be.",
        ),
    ] = 4096
    slots: Annotated[
        int, Meta(ge=1, le=16, description="Answers computed at once; others wait.")
    ] = 4
    threads: Annotated[
        Literal["auto"] | ThreadCounts | Annotated[int, Meta(ge=1, le=256)],
        Meta(
            description="Processor cores to compute on; auto measures how many are fastest, once for each model. Decode"
            " writes answers, prefill reads prompts."
        ),
    ] = "auto"
    idle_unload: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Seconds without a question after which the model's memory is given back; 0 keeps it.",
        ),
    ] = 0.0
    batch: Annotated[int, Meta(ge=32, le=2048, description="Most tokens computed in one step.")] = (
        128
    )
    max_step_ms: Annotated[
        int,
        Meta(
            ge=20,
            le=5000,
            description="Milliseconds a step may take while someone is being answered.",
        ),
    ] = 450
    aside: Annotated[
        int,
        Meta(
            ge=0,
            le=65_536,
            description="Megabytes for conversations that make room for others, and for places to go back to.",
        ),
    ] = 48
    kept: Annotated[
        int,
        Meta(
            ge=0,
            le=1_048_576,
            description="Megabytes of the disk for what need not be computed again after a restart: system prompts, and"
            " conversations that were going on; 0 keeps nothing.",
        ),
    ] = 128
    draft: Annotated[
        int,
        Meta(
            ge=0,
            le=16,
            description="Most tokens guessed at once where a text repeats itself; 0 guesses nothing.",
        ),
    ] = 8
    nice: Annotated[
        int,
        Meta(
            ge=-20,
            le=19,
            description="Priority of computing as in nice(1); below 0 needs the right to raise it.",
        ),
    ] = 0
    ionice: Annotated[
        Literal["none", "idle"] | Annotated[int, Meta(ge=0, le=7)],
        Meta(
            description="Priority of reading from the disk as in ionice(1): 0 comes first, 7 last, idle when nobody"
            " else reads; none follows engine.nice."
        ),
    ] = "none"
    spin: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000_000,
            description="Turns a waiting thread spins before it sleeps (GOMP_SPINCOUNT).",
        ),
    ] = 100_000
    rpc: Annotated[
        tuple[Endpoint, ...],
        Meta(
            description="Machines that compute a part of the model with this one, like pi2.local:50052 (`bramble"
            " worker` there). Nothing between them is encrypted or asks for a password: on a private network only."
        ),
    ] = ()


class WorkerSettings(Struct, frozen=True):
    """This machine as one that computes for another (`bramble worker`)."""

    listen: Annotated[
        Literal["auto"] | Endpoint,
        Meta(
            description="Address and port where it is asked; auto is this machine's address on the home network, port"
            " 50052. Whoever can reach it can use it."
        ),
    ] = "auto"
    threads: Annotated[
        Literal["auto"] | Annotated[int, Meta(ge=1, le=256)],
        Meta(description="Processor cores to compute on; auto is all of them."),
    ] = "auto"
