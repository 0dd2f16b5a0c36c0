"""Counting what an emulated program executes, on a program whose counts are known."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "qemu"))

import execution  # noqa: E402

PROGRAM = """
    .arch_extension sme2
    .globl _start
    .type _start, %function
_start:
    smstart
    ptrue p0.s
    ptrue pn8.s
    zero {za}
    dup z0.s, #3
    mov x2, sp
    rdsvl x1, #1
    sub sp, x2, x1, lsl #2
    mov w12, #0
    mov x0, #1000
1:  bmopa za0.s, p0/m, p0/m, z0.s, z0.s
    bmopa za1.s, p0/m, p0/m, z0.s, z0.s
    subs x0, x0, #1
    b.ne 1b
    bl begins
    bl reads
    bl ends
    smstop
    mov x0, #STATUS
    mov x8, #93
    svc #0
    .size _start, . - _start
    .type begins, %function
begins:
    ret
    .size begins, . - begins
    .type ends, %function
ends:
    ret
    .size ends, . - ends
    .type reads, %function
reads:
    mova {z4.s-z7.s}, za0h.s[w12, 0:3]
    st1w {z4.s-z7.s}, pn8, [sp]
    ld1w {z8.s}, p0/z, [sp]
    ret
    .size reads, . - reads
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    pytest.importorskip("ziglang")
    folder = tmp_path_factory.mktemp("programs")

    def build(status: int, *, text: str = PROGRAM) -> Path:
        source, program = folder / "program.s", folder / f"program-{status}"
        source.write_text(text.replace("STATUS", str(status)))
        target = ["-target", "aarch64-linux-musl", "-mcpu=generic+sme2", "-nostdlib", "-static"]
        subprocess.run([sys.executable, "-m", "ziglang", "cc", *target, source, "-o", program], check=True)
        return program

    return build


@pytest.mark.parametrize("bits", [128, 256, 512])
def test_every_instruction_is_counted(
    build: Callable[..., Path], sme2_emulator: Callable[[int], list[str]], bits: int
) -> None:
    counts = execution.executed([*sme2_emulator(bits), build(0)])
    assert execution.by_class(counts) == {
        "bmopa": 2000,
        "za": 2,
        "arithmetic": 1,
        "predicate": 2,
        "scalar": 5 + 1000 + 2,
        "branch": 1000 + 6,
        "mode": 2,
        "store": 1,
        "load": 1,
        "system": 1,
    }
    assert execution.vectors(counts) == {("store", 4): 1, ("load", 1): 1}
    assert execution.by_class(counts, "reads".__eq__) == {"za": 1, "store": 1, "load": 1, "branch": 1}
    assert execution.difference(counts, counts) == {}
    between = execution.executed([*sme2_emulator(bits), build(0)], ("begins", "ends"))
    assert execution.by_class(between) == {"za": 1, "store": 1, "load": 1, "branch": 3}


def test_a_program_that_fails_is_no_count(
    build: Callable[..., Path], sme2_emulator: Callable[[int], list[str]]
) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        execution.executed([*sme2_emulator(256), build(3)])


def test_a_vector_instruction_that_streaming_mode_lacks_ends_the_program(
    build: Callable[..., Path], sme2_emulator: Callable[[int], list[str]]
) -> None:
    neon = PROGRAM.replace("    ptrue p0.s\n", "    ptrue p0.s\n    cnt v0.16b, v0.16b\n")
    with pytest.raises(subprocess.CalledProcessError) as error:
        execution.executed([*sme2_emulator(256), build(0, text=neon)])
    assert "Illegal instruction" in error.value.stderr.decode()
