"""What is asked: the same prompts on every machine, and filler that no server has seen before."""

import itertools
import random
import time

PROMPTS = (
    "用Python写一个判断质数的函数,并逐行解释。",
    "如果今天是星期五,后天就是中秋节,那么中秋节是星期几?请说明推理过程。",
    "Tell me the story of how the Raspberry Pi came to be, in detail.",
    "推荐三部好看的科幻电影,并分别说明推荐理由。",
    "Explain how a bicycle stays upright, step by step.",
    "帮我写一段关于春天的小红书风格文案,带emoji表情。",
    "List ten tips for keeping houseplants alive, one paragraph each.",
    "写一封邮件,向老师请假三天,理由是家里有事。",
    "Write a shell script that backs up a folder every night, and explain it.",
    "请介绍一下中国的四大发明及其影响。",
    "What is the difference between TCP and UDP? Give examples.",
    "用简单的话解释什么是量子计算。",
)
TURNS = (
    "推荐三部好看的科幻电影。",
    "其中哪一部讲的是语言学?",
    "它的导演是谁?",
    "Please answer in English from now on: what is its main theme?",
    "Give me one similar book.",
    "Summarise our conversation in two sentences.",
)
WORDS = (
    "river stone lantern harbor winter copper meadow signal cedar ferry orchard "
    "thunder pocket marble velvet canyon ember falcon garden hollow island"
).split()

TOKENS_A_WORD = 1.13
"""Of filler: 1.15 in the vocabulary of Qwen2.5, 1.06 in that of SmolLM2."""

_fresh = itertools.count(time.time_ns() // 1_000_000)


def words(tokens: int) -> int:
    """How many words of filler are about so many tokens."""
    return round(tokens / TOKENS_A_WORD)


def filler(seed: int, count: int) -> str:
    """So many words without sense, the same ones for the same seed."""
    return " ".join(WORDS[(seed * 7919 + i * 104729 + i * i) % len(WORDS)] for i in range(count))


def fresh(tokens: int) -> str:
    """Filler of about so many tokens that begins like none before: nothing of it can be in a cache."""
    seed = next(_fresh)
    chosen = random.Random(seed).choices(WORDS, k=words(tokens))
    return f"{seed:x} {' '.join(chosen)}"
