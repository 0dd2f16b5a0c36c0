"""What several folders of tests share: one converted network, a processor with SME2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


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
