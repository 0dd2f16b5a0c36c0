"""TFLite 2.14 reads a shrunk file as today's LiteRT does: there, one scale a filter in a dense layer gives zeros."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from repbnn_edge.tflite import schema
from repbnn_edge.tflite.cut import cut
from repbnn_edge.tflite.passes.pipeline import shrink

CORPUS = Path(__file__).parents[1] / "corpus"
_PACKAGES = ("tflite-runtime==2.14.0", "numpy==1.26.4")
_RUN = """
import sys, numpy as np
from tflite_runtime.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.load(sys.argv[2]))
interpreter.invoke()
np.save(sys.argv[3], interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
"""


@pytest.fixture(scope="module")
def old_python() -> Path:
    """A Python with TFLite 2.14, in an environment of its own under build/."""
    uv = shutil.which("uv")
    if uv is None or sys.version_info >= (3, 12) or sys.platform != "linux":
        pytest.skip("TFLite 2.14 needs Linux, Python 3.11 or older, and uv to get it")
    folder = Path(__file__).parents[3] / "build" / f"tflite-2.14-{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        for command in (
            [uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "-q", "--python", str(python), *_PACKAGES],
        ):
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                pytest.skip(f"TFLite 2.14 cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
        (folder / "ready").touch()
    return python


@pytest.mark.parametrize("float_weights", ["float16", "int8"])
def test_the_dense_layer_of_a_rep_network(float_weights: str, old_python: Path, tmp_path: Path) -> None:
    model = schema.load((CORPUS / "rep_small.tflite").read_bytes())
    dense = model.operators[-1]
    exact = cut(model, [dense.index], dense.inputs[:1], dense.outputs)
    row = np.random.default_rng(0).normal(size=(1, 256)).astype(np.float32)
    weights = model.constant(dense.inputs[1])
    assert weights is not None
    (tmp_path / "small.tflite").write_bytes(shrink(exact, float_weights))  # type: ignore[arg-type]
    np.save(tmp_path / "row.npy", row)
    names = ("small.tflite", "row.npy", "out.npy")
    command = [old_python, "-c", _RUN, *(tmp_path / name for name in names)]
    subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found, wanted = np.load(tmp_path / "out.npy"), row @ weights.T
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()
