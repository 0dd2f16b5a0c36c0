"""Memory that runs out inside the phones' delegate, at each allocation in turn, on Android's own TensorFlow Lite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from repbnn_edge.tflite import schema
from repbnn_edge.tflite.cut import cut
from tests.devices_support.emulation import ROOT, alone, device_folder, run_prefix, runtime_library

sys.path.insert(0, str(ROOT / "tools"))
import device

ABI = "android-arm64"


@pytest.fixture(scope="module")
def program() -> Path:
    device_folder(ABI)
    with alone("device"):
        return device.compile_targets(ABI, "failing_allocations") / "native" / "runner" / "failing_allocations"


def _first(resnet20: Path, count: int, folder: Path) -> Path:
    """The operators behind the first convolution, as many as ``count``."""
    model = schema.load(resnet20.read_bytes())
    first, *kept = model.operators[: count + 1]
    path = folder / "part.tflite"
    indices = [operator.index for operator in kept]
    path.write_bytes(cut(model, indices, inputs=[first.outputs[0]], outputs=[kept[-1].outputs[0]]))
    return path


# The whole body is 118 operators, whose 7,000 allocations take minutes: one in five of them.
@pytest.mark.parametrize(("operators", "stride"), [(7, 1), pytest.param(118, 5, marks=pytest.mark.slow)])
def test_every_allocation_that_fails_is_an_error(
    operators: int, stride: int, program: Path, resnet20: Path, tmp_path: Path
) -> None:
    model = _first(resnet20, operators, tmp_path)
    sample = np.random.default_rng(3).standard_normal((1, 32, 32, 16)).astype(np.float32)
    (tmp_path / "in").write_bytes(sample.tobytes())
    words = [program, model, runtime_library(ABI), device_folder(ABI) / "librepbnn_delegate.so"]
    command = [*run_prefix(ABI), *words, tmp_path / "in", tmp_path / "out", stride]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["errors"] > 200
    assert "repbnn: out of memory" in done.stderr
    assert len(np.unique(np.frombuffer((tmp_path / "out").read_bytes(), np.float32))) > 20
