"""What several folders of tests share: floats as IEEE has them, one converted network, a processor with SME2."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_SET_FLOATS = getattr(ctypes.CDLL(None), "fesetenv", None)
_DEFAULT = ctypes.c_void_p(-1)  # FE_DFL_ENV of glibc's <fenv.h>


@pytest.fixture(autouse=True)
def denormals() -> Iterator[None]:
    """LiteRT switches denormals off in the process that opens a CompiledModel: not for the tests behind it."""
    yield
    if _SET_FLOATS is not None:
        _SET_FLOATS(_DEFAULT)


@pytest.fixture(scope="session")
def resnet20(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rep-ReCU-ResNet-20 as a file: 19 binary convolutions, CIFAR-10's labels and preprocessing inside."""
    from repbnn_edge.conversion import convert

    path = tmp_path_factory.mktemp("converted") / "rep-recu-resnet20.tflite"
    convert("builtin:rep-recu-resnet20", path, verify=False)
    return path


@pytest.fixture(scope="session")
def sme2_emulator() -> Callable[[int], list[str]]:
    """Gives the words in front of an aarch64 program for a streaming vector length in bits; skips as "unavailable"."""
    from tests.devices_support import streaming

    streaming.emulator()
    return streaming.emulator_words
