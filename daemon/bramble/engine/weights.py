"""How many bytes of weights one token streams from memory, from the tensor list of a GGUF file."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from bramble.engine.gguf import Header

EMBEDDING = "token_embd.weight"
HEAD = "output.weight"
LOOKED_UP = {EMBEDDING, "per_layer_token_embd.weight"}
"""Of these only a row is read for a token."""
EXPERTS = "_exps."
"""Part of the name of tensors that hold all experts of a layer; a token uses a few of them."""


def sizes(path: Path) -> dict[str, int]:
    """Bytes of every tensor in the file, by name. Raises NotGguf."""
    with closing(Header(path)) as header:
        return {each.name: each.size for each in header.tensors}


def bytes_per_token(held: Mapping[str, int], *, experts: int, experts_used: int) -> int:
    """Bytes of weights read for one token of one sequence. `experts` of a mixture, 0 where there is none."""
    total = 0
    for name, size in held.items():
        if name in LOOKED_UP and not (name == EMBEDDING and HEAD not in held):
            continue  # a tied embedding is the output head too, and read whole
        total += size * experts_used // experts if experts and EXPERTS in name else size
    return total
