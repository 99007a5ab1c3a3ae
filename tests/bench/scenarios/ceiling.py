"""How much of the kernels' speed arrives at the other end of HTTP."""

import asyncio
from statistics import median

from msgspec.json import decode

from tests.bench.measure import Failed, Figures, Line, Measure, Scenario, at_least, of
from tests.bench.scenarios.loads import warm
from tests.bench.servers import bramble, peer
from tests.bench.text import PROMPTS, fresh

OURS, BARE = "bramble", "llama-bench"
PROMPT = 512
ANSWER = 128
ASIDE = 64
"""Tokens of a prompt that are not filler: template, system prompt, question."""
BENCH_SECONDS = 600.0


class Ceiling(Scenario):
    """Writing 128 tokens and reading about 512, through the whole of Bramble; llama-bench tg128 and pp512 with the same
    threads compute the same without server, sampler and text. Drafting is off: kernels are compared, not guesses.

    Target: 0.95 of both.
    """

    name = "ceiling"
    lines = (
        Line("writing, tok/s", of("write_tok_s", OURS), of("write_tok_s", BARE), at_least(0.95)),
        Line("reading, tok/s", of("read_tok_s", OURS), of("read_tok_s", BARE), at_least(0.95)),
    )

    def sides(self) -> dict[str, Measure]:
        """Through HTTP and bare."""
        return {OURS: self._ours, BARE: self._bare}

    async def _ours(self) -> Figures:
        async with bramble(self.options, "engine.draft=0") as server, warm(server) as asking:
            written = [await asking.ask(prompt, ANSWER) for prompt in PROMPTS[2:9:3]]
            texts = [f"{fresh(PROMPT - ASIDE)}\nHow many words?" for _ in range(3)]
            read = [await asking.ask(text, 1) for text in texts]
        return {
            "write_tok_s": median(reply.rate or 0 for reply in written),
            "read_tok_s": median(reply.computed / reply.first for reply in read),
        }

    async def _bare(self) -> Figures:
        command = [str(peer(self.options, "llama-bench")), "-m", str(self.options.model)]
        command += ["-t", str(self.options.threads), "-p", str(PROMPT), "-n", str(ANSWER)]
        process = await asyncio.create_subprocess_exec(
            *command,
            "-r",
            "3",
            "-o",
            "json",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), BENCH_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise Failed(f"llama-bench ended with status {process.returncode}")
        return speeds(output)


def speeds(output: bytes) -> Figures:
    """From llama-bench's JSON: an entry a test, of which one has a prompt and the other tokens to write."""
    return {
        "read_tok_s" if test["n_prompt"] else "write_tok_s": median(test["samples_ts"])
        for test in decode(output)
    }
