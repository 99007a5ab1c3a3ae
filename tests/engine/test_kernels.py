"""Which CPU library computes, told from what a process has mapped."""

from bramble.engine.kernels import variant

MAPPED = """\
7f2a10000000-7f2a10021000 r-xp 00000000 08:02 1311 /opt/x/llama_cpp/lib/libggml-base.so
7f2a10200000-7f2a10321000 r-xp 00000000 08:02 1313 /opt/x/llama_cpp/lib/{name}
"""


def test_the_library_in_use_names_the_kernels() -> None:
    assert variant(MAPPED.format(name="libggml-cpu-armv8.2_2.so")) == "armv8.2_2"
    assert variant(MAPPED.format(name="libggml-cpu-armv8.0_1.so")) == "armv8.0_1"


def test_a_build_for_one_processor_names_none() -> None:
    assert variant(MAPPED.format(name="libggml-cpu.so.0.25.3")) == ""
    assert variant() == ""
