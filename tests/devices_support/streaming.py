"""A processor with SME2 for the tests, at any streaming vector length: a newer qemu-user than the machine's own.

``emulator_words(512)`` gives the words in front of a static aarch64 program's own. Where that qemu cannot be had, the
test that asks for it is skipped as "unavailable".
"""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import pytest

FETCH = Path(__file__).resolve().parents[2] / "tools" / "qemu" / "fetch.sh"


@functools.cache
def emulator() -> Path:
    """The path of qemu-aarch64, fetched where it is not there yet."""
    done = subprocess.run([FETCH], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"{done.stdout.strip() or 'unavailable'}: {done.stderr.strip().splitlines()[-1:]}")
    return Path(done.stdout.strip())


def emulator_words(bits: int) -> list[str]:
    """qemu with streaming vectors of ``bits``: 128, 256, 512, 1024 or 2048.

    Without FEAT_SME_FA64, as Apple's cores are: NEON in streaming mode is an illegal instruction.
    """
    return [str(emulator()), "-cpu", f"max,sme_fa64=off,sme-default-vector-length={bits // 8}"]
