"""Scores of a source on many pictures: an ONNX file by onnxruntime alone, anything else through its reference."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from repbnn_edge.verification.reference import OUTPUT, Floats, Reference

_BATCH = 16


def scores_of(source: str, reference: Reference) -> tuple[str, Callable[[Floats], Floats]]:
    """Who runs a source, and the function from inputs (N, H, W, C) to scores (N, classes).

    A reference keeps every map before a sign, which thousands of pictures do not need: an ONNX file that has been
    loaded, and so checked, is run by onnxruntime as it is, without its optimisations.
    """
    if source.endswith(".onnx"):
        return _onnxruntime(Path(source), reference.input_shape)
    return Path(source).name, lambda inputs: _by_reference(reference, inputs)


def _by_reference(reference: Reference, inputs: Floats) -> Floats:
    parts = [inputs[start : start + _BATCH] for start in range(0, len(inputs), _BATCH)]
    return np.concatenate([reference.run(part)[OUTPUT].reshape(len(part), -1) for part in parts])


def _onnxruntime(path: Path, shape: tuple[int, int, int]) -> tuple[str, Callable[[Floats], Floats]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = os.cpu_count() or 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    channels_last = tuple(entry.shape[1:]) == shape

    def run(inputs: Floats) -> Floats:
        laid_out = inputs if channels_last else np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))
        rows = [session.run(None, {entry.name: laid_out[i : i + 1]})[0].reshape(-1) for i in range(len(inputs))]
        return np.stack(rows).astype(np.float32)

    return f"onnxruntime {onnxruntime.__version__}", run
