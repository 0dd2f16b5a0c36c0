"""Small ONNX models made by hand, for what one pass or one operator is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from repbnn_converters.onnx.graph import Graph
from repbnn_converters.onnx.reading import read_graph

Step = tuple[Any, ...]


def model(
    steps: Sequence[Step],
    constants: Mapping[str, Any] | None = None,
    shape: Sequence[Any] = (1, 4, 6, 6),
    output: str | None = None,
    opset: int = 17,
    dtype: int = TensorProto.FLOAT,
) -> Any:
    """A ModelProto whose input is ``x``; a step is (op, inputs, outputs, attributes), names separated by spaces."""
    nodes = []
    for op, inputs, outputs, *rest in steps:
        attributes = rest[0] if rest else {}
        names = ["" if name == "-" else name for name in inputs.split()]
        nodes.append(helper.make_node(op, names, outputs.split(), name=f"{op}_{outputs.split()[0]}", **attributes))
    last = output or nodes[-1].output[0]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", dtype, list(shape))],
        [helper.make_empty_tensor_value_info(last)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def save(proto: Any, folder: Path, name: str = "model.onnx") -> Path:
    """Write it."""
    path = folder / name
    path.write_bytes(proto.SerializeToString())
    return path


def graph(steps: Sequence[Step], constants: Mapping[str, Any] | None = None, **options: Any) -> Graph:
    """The same as a ``Graph``."""
    return read_graph(model(steps, constants, **options))


def signs(*shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Random +-1."""
    return np.random.default_rng(seed).choice([-1.0, 1.0], shape).astype(np.float32)


def normal(*shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Random numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def number(value: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A float32 scalar."""
    return np.array(value, np.float32)


def integers(*values: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """An int64 vector."""
    return np.array(values, np.int64)


__all__ = ["graph", "integers", "model", "normal", "number", "onnx", "save", "signs"]
