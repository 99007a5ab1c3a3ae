"""What a change of the guards is called: a code and numbers for a translator, and the same as one English sentence."""

from bramble.board.cooling import Cooling
from bramble.board.levels import CRITICAL, NO_IDLE_SLOTS, NO_MODEL, TIGHT

Params = dict[str, int | str]

_WORSE = {
    TIGHT: "memory_tight",
    CRITICAL: "memory_critical",
    NO_IDLE_SLOTS: "slots_dropped",
    NO_MODEL: "model_unloaded",
}
_BETTER = {
    0: "memory_calm",
    TIGHT: "answers_return",
    CRITICAL: "slots_return",
    NO_IDLE_SLOTS: "model_returns",
}

SENTENCES = {
    "memory_tight": "Memory is getting short ({left} MB left): nothing is prepared ahead and no files are read.",
    "memory_critical": "Memory has run out ({left} MB left): running answers go on, new ones have to wait.",
    "slots_dropped": "Memory is still short ({left} MB left): older conversations are read anew when they go on.",
    "model_unloaded": "The {machine} needs its memory elsewhere: the model is put away until there is room again.",
    "model_returns": "There is memory again ({left} MB left): the model is being loaded.",
    "slots_return": "There is more memory ({left} MB left): conversations are kept at hand again.",
    "answers_return": "There is memory again ({left} MB left): new answers are possible.",
    "memory_calm": "There is enough memory again: everything works as usual.",
    "hot": "The {machine} is at {celsius} °C, answering with {threads} of {cores} cores until it cools.",
    "throttled": "The {machine} slows itself down, answering with {threads} of {cores} cores until it recovers.",
    "overheated": "The {machine} is at {celsius} °C even with one core: new answers have to wait until it cools.",
    "weak_supply": "The {machine}'s power supply is too weak, answering with {threads} of {cores} cores to spare it.",
    "less_hot": "The {machine} has cooled to {celsius} °C: new answers are possible.",
    "cooler": "The {machine} has recovered, answering with {threads} of {cores} cores again.",
    "cool": "The {machine} has recovered, answering with all {cores} cores again.",
}
"""Every sentence by its code. Parameters: left (MB), celsius, threads, cores, machine ("Pi" or "machine")."""


def sentence(code: str, params: Params) -> str:
    """The English sentence of a code."""
    return SENTENCES[code].format(**params)


def of_memory(before: int, after: int) -> str:
    """The code for going from one rung to another because of memory."""
    return _WORSE[after] if after > before else _BETTER[after]


def of_heat(before: Cooling, after: Cooling, cores: int, celsius: float | None, soft: float) -> str:
    """The code for going from one demand of the heat to another."""
    if after.overheated != before.overheated:
        return "overheated" if after.overheated else "less_hot"
    if after.threads > before.threads:
        return "cool" if after.threads == cores else "cooler"
    return "hot" if celsius is not None and celsius >= soft else "throttled"
