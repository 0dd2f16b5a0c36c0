"""The SME2 kernels against the definition, bit for bit, at every length that a streaming vector may have.

The emulator has no FEAT_SME_FA64, so NEON in streaming mode would end the program, and each test program keeps its
buffers before guard pages.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.devices_support import emulation

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tools" / "qemu")]

import device  # noqa: E402
import execution  # noqa: E402

KERNELS = Path("native") / "kernels"

pytestmark = pytest.mark.xdist_group("native_kernels")


@pytest.fixture(scope="module")
def programs(sme2_emulator: Callable[[int], list[str]]) -> Path:
    """The build folder with test programs for 64-bit Arm."""
    emulation.run_prefix("linux-aarch64")  # skips where there is no C library
    pytest.importorskip("ziglang")
    if not Path("/usr/src/googletest").is_dir():
        pytest.skip("GoogleTest's source is not installed")
    with emulation.alone("device"):
        settings = ["-DREPBNN_TESTS=ON", "-DREPBNN_KERNEL_TESTS=ON"]
        targets = ("bconv2d_test", "pointwise_test", "pool_test", "streaming_test", "fusion_test")
        return device.compile_targets("linux-aarch64", *targets, settings=settings)


def emulated(words: list[str]) -> list[str]:
    """``words`` of an emulator with Debian's C library for aarch64 behind them."""
    return [*words, *emulation.run_prefix("linux-aarch64")[1:]]


def run(words: list[str], program: Path, cases: int) -> None:
    environment = {**os.environ, "REPBNN_KERNEL_CASES": str(cases)}
    command = [*emulated(words), program, "--gtest_filter=*sme2*"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SKIPPED" not in done.stdout
    assert re.search(r"PASSED  \] [1-9]", done.stdout)


@pytest.mark.parametrize("bits", [128, 256, 512, 2048])
@pytest.mark.parametrize("program", ["bconv2d_test", "pointwise_test"])
def test_the_kernels_equal_the_definition(
    programs: Path, sme2_emulator: Callable[[int], list[str]], program: str, bits: int
) -> None:
    run(sme2_emulator(bits), programs / KERNELS / program, 400 if bits in (256, 512) else 150)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [256, 512])
@pytest.mark.parametrize("program", ["bconv2d_test", "pointwise_test"])
def test_the_kernels_equal_the_definition_in_every_case(
    programs: Path, sme2_emulator: Callable[[int], list[str]], program: str, bits: int
) -> None:
    run(sme2_emulator(bits), programs / KERNELS / program, 30000)


def test_pools_equal_the_definition(programs: Path, sme2_emulator: Callable[[int], list[str]]) -> None:
    run(sme2_emulator(512), programs / KERNELS / "pool_test", 200)


@pytest.mark.parametrize("bits", [128, 512])
def test_the_calling_convention_holds(programs: Path, sme2_emulator: Callable[[int], list[str]], bits: int) -> None:
    command = [*emulated(sme2_emulator(bits)), programs / KERNELS / "streaming_test"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED  ] 4 tests" in done.stdout


def test_random_networks_equal_the_definition(programs: Path, sme2_emulator: Callable[[int], list[str]]) -> None:
    # Through the plan: tiles, fused chains, rings and threads, with every instruction set that the emulator has.
    (program,) = programs.rglob("fusion_test")
    environment = {**os.environ, "REPBNN_TEST_NETWORKS": "15"}
    command = [*emulated(sme2_emulator(512)), program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_outer_products_really_run(programs: Path, sme2_emulator: Callable[[int], list[str]]) -> None:
    for kernel in ("sme2", "sme2_neon"):
        words = [*emulated(sme2_emulator(512)), str(programs / KERNELS / "bconv2d_test")]
        executed = execution.executed([*words, f"--gtest_filter=Kernels/Bconv2dTest.CountsItsCalls/{kernel}"])
        classes = execution.by_class(executed)
        assert classes["bmopa"] > 0
        assert classes["mode"] > 0


def test_a_processor_without_sme2_has_no_such_kernels(programs: Path) -> None:
    # The distribution's own qemu knows none of it: an instruction of it would end the program.
    done = subprocess.run(
        [*emulation.run_prefix("linux-aarch64"), programs / KERNELS / "bconv2d_test", "--gtest_filter=*sme2*"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED  ] 0 tests" in done.stdout
    assert "SKIPPED" in done.stdout
