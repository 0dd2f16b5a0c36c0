"""Full-precision operators beyond our IR, by onnx2tf: one node at a time, taken only where it comes out equal.

onnx2tf writes over the file that it is given, reaches for the network, and can take for ever; so it runs in a process
of its own, on a file that holds this one node, in a temporary folder (``foreign_worker``). What it made is imported
node by node as any SavedModel from outside is, and compared with onnxruntime before it is used.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from repbnn_converters.onnx import network as ir
from repbnn_converters.onnx import sessions
from repbnn_edge.errors import RepbnnError, UnsupportedError

SECONDS = 180.0
"""How long onnx2tf may take for a node; it needs about 15, most of it to start."""
_TOLERANCE = 1e-5
_SAMPLES = 3
_REMEDY = "export the network without it, or with its arithmetic spelled out; docs/pytorch.md lists what is known"


def apply(layer: ir.Foreign, tensor: Any, names: set[str]) -> Any:
    """The Keras tensor that a foreign operator makes of ``tensor``, (1, H, W, C) or (1, F).

    Args:
        layer: the operator.
        tensor: its input.
        names: the Keras names that are taken; those of the new layers are added.

    Raises:
        UnsupportedError: onnx2tf cannot do it, or it does not come out equal; names the node.
    """
    what = f"node '{layer.name}' ({layer.operator})"
    feeds, expected = _truth(layer, what)
    with tempfile.TemporaryDirectory(prefix="repbnn-") as folder:
        made = _convert(layer, Path(folder), what)
        for saved, last in made:
            graph = _graph(saved)
            if graph is not None and _equal(graph, feeds, expected, last=last):
                with contextlib.suppress(UnsupportedError):  # of an operation of TensorFlow's: not the user's node
                    return _embedded(graph, tensor, names, last=last)
    raise UnsupportedError(what, f"{layer.why}, and onnx2tf makes nothing equal of it", _REMEDY)


def _truth(layer: ir.Foreign, what: str) -> tuple[list[Any], list[Any]]:
    """Random inputs, NCHW, and what onnxruntime makes of them."""
    session = sessions.unoptimised(onnx.ModelProto.FromString(layer.model), what)
    generator = np.random.default_rng(0)
    shape = session.get_inputs()[0].shape
    feeds = [generator.standard_normal(shape).astype(np.float32) * 2 for _ in range(_SAMPLES)]
    return feeds, [sessions.run(session, ["y"], {"x": feed}, what)[0] for feed in feeds]


def _convert(layer: ir.Foreign, folder: Path, what: str) -> list[tuple[Path, bool]]:
    """Run the worker; the SavedModels that it left, and whether their maps are channels last."""
    model = folder / "node.onnx"
    model.write_bytes(layer.model)
    command = [sys.executable, "-m", "repbnn_converters.onnx.foreign_worker", str(model), str(folder)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "HOME": str(folder)}
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        subprocess.run(command, cwd=folder, env=environment, timeout=SECONDS, check=False, **quiet)
    except subprocess.TimeoutExpired as error:
        why = f"{layer.why}, and onnx2tf was not done with it after {SECONDS:.0f} s"
        raise UnsupportedError(what, why, _REMEDY) from error
    layouts = [(folder / "channels_last", True), (folder / "as_it_is", False)]
    return [(path, last) for path, last in layouts if (path / "saved_model.pb").is_file()]


def _graph(saved: Path) -> Any:
    """The SavedModel as a frozen graph, by the front end for such; None where that refuses it."""
    from repbnn_converters import saved_model

    try:
        return saved_model.frozen(saved)
    except RepbnnError:
        return None


def _equal(graph: Any, feeds: list[Any], expected: list[Any], *, last: bool) -> bool:
    for feed, truth in zip(feeds, expected, strict=True):
        given = feed.transpose(0, 2, 3, 1) if last and feed.ndim == 4 else feed
        if given.shape != graph.input_shape:
            return False
        got = graph.run(np.ascontiguousarray(given))[graph.output]
        got = got.transpose(0, 3, 1, 2) if last and got.ndim == 4 else got
        if got.shape != truth.shape or not np.isfinite(got).all():
            return False
        if np.abs(got - truth).max() > _TOLERANCE * max(1e-30, np.abs(truth).max()):
            return False
    return True


def _embedded(graph: Any, tensor: Any, names: set[str], *, last: bool) -> Any:
    from repbnn_converters.tf_graph.network import Importer
    from repbnn_edge import stack

    permute = stack.tensorflow().keras.layers.Permute
    turned = not last and len(tensor.shape) == 4
    given = permute((3, 1, 2))(tensor) if turned else tensor
    importer = Importer(graph)
    importer.names = names
    result = importer.on(given)
    return permute((2, 3, 1))(result) if not last and len(result.shape) == 4 else result
