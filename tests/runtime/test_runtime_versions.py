"""One library in every runtime that it promises, through both doors: the same bits everywhere.

All versions: ``python -m pytest tests/runtime/test_runtime_versions.py``. Continuous integration leaves the slow ones
out and runs the installed version and the newest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repbnn_edge.runtime import delegate as delegate_module
from repbnn_edge.tflite import schema
from repbnn_edge.tflite.cut import cut
from tests.runtime.delegate_operators import TAKEN, between, sample

pytestmark = [
    pytest.mark.skipif(delegate_module.find_library() is None, reason="no delegate was built here"),
    pytest.mark.skipif(sys.platform != "linux", reason="the library is built for Linux"),
]
ROOT = Path(__file__).parents[2]
INSTALLED = "installed"
RUNTIMES = [
    pytest.param(INSTALLED, id="installed"),
    pytest.param("ai-edge-litert==2.1.0", marks=pytest.mark.slow),
    pytest.param("ai-edge-litert==2.1.6", marks=pytest.mark.slow),
    pytest.param("ai-edge-litert==2.2.0", marks=pytest.mark.slow),
    pytest.param("ai-edge-litert", id="ai-edge-litert, the newest"),
    pytest.param("tflite-runtime==2.14.0", marks=pytest.mark.slow),
]
# One of each kind of step; the others stand in test_delegate_operators.py.
Networks = dict[str, tuple[bytes, Any]]
STEPS = ["MEAN", "AVERAGE_POOL_2D", "DEPTHWISE_CONV_2D", "PADV2 of 1", "SPLIT", "MUL of [1, C]", "PRELU"]


@lru_cache
def _python(requirement: str) -> Path:
    """The Python of an environment of its own under build/, with this runtime in it."""
    if requirement == INSTALLED:
        return Path(sys.executable)
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed, which gets other versions of the runtimes")
    if requirement.startswith("tflite-runtime") and sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime 2.14 needs Python 3.11 or older")
    folder = ROOT / "build" / "runtimes" / f"{requirement.replace('==', '-')}-{sys.version_info.minor}"
    numpy = "numpy==1.26.4" if requirement.startswith("tflite-runtime") else "numpy"
    for command in (
        [uv, "venv", "-q", "--allow-existing", "--python", sys.executable, folder],
        [uv, "pip", "install", "-q", "--upgrade", "--python", folder / "bin" / "python", requirement, numpy],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"{requirement} cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def networks(resnet20: Path) -> Networks:
    """Files and inputs: a network for each kind of step, and a whole one without the stem and the dense layer.

    Those two are XNNPACK's, whose last bits differ from version to version.
    """
    found = {name: (between(TAKEN[name]), sample(TAKEN[name])) for name in STEPS}
    model = schema.load(resnet20.read_bytes())
    stem, last = model.operators[0], model.operators[-2]
    body = cut(model, range(1, len(model.operators) - 1), stem.outputs, last.outputs)
    shape = model.tensors[stem.outputs[0]].shape
    return {**found, "Rep-ReCU-ResNet-20": (body, np.random.default_rng(2).normal(size=shape).astype(np.float32))}


def _outputs(requirement: str, door: str, folder: Path, networks: Networks) -> dict[str, list[Any]]:
    python = _python(requirement)
    folder.mkdir()
    for number, (data, values) in enumerate(networks.values()):
        (folder / f"{number}.tflite").write_bytes(data)
        values[np.abs(values) < np.finfo(np.float32).tiny] = 0  # compiled models flush denormals since 2.1.6
        np.save(folder / f"{number}.npy", values)
    # Another Python has nothing of ours installed: our runtime package needs no more than NumPy.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "REPBNN_LOG_LEVEL": "warning"}
    environment["REPBNN_DELEGATE_LIBRARY"] = str(delegate_module.require_library())
    probe = Path(__file__).parent / "version_probe.py"
    done = subprocess.run([python, probe, door, folder], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "warning: LiteRT's own kernels come first" not in done.stderr
    results = {}
    for number, name in enumerate(networks):
        with np.load(folder / f"{number}.npz") as arrays:
            results[name] = [arrays[key] for key in arrays.files]
    return results


@pytest.fixture(scope="module")
def expected(networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    return _outputs(INSTALLED, "interpreter", tmp_path_factory.mktemp("expected") / "networks", networks)


@pytest.mark.parametrize("door", ["interpreter", "compiled"])
@pytest.mark.parametrize("requirement", RUNTIMES)
def test_the_same_bits_in_every_runtime(
    requirement: str, door: str, networks: Networks, expected: dict[str, list[Any]], tmp_path: Path
) -> None:
    if door == "compiled" and requirement.startswith("tflite-runtime"):
        pytest.skip("tflite-runtime has no compiled models")
    actual = _outputs(requirement, door, tmp_path / "networks", networks)
    for name in networks:
        assert len(actual[name]) == len(expected[name])
        for a, b in zip(actual[name], expected[name], strict=True):
            np.testing.assert_array_equal(a.view(np.int32), b.view(np.int32), err_msg=name)
