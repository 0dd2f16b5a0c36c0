"""Small integer arithmetic of exporters (shapes, pads, slice bounds), done in numpy while the graph is read.

Floating-point constants are not computed here: those come from onnxruntime itself, bit for bit
(``passes.fold_constants``), since the sign of a weight can hang on the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from repbnn_converters.onnx.graph import Array, Node

MAX_ELEMENTS = 4096
"""Shape arithmetic is tiny; whatever is larger is left to onnxruntime."""


def evaluate(node: Node, inputs: list[Array | None]) -> Array | None:
    """The node's first output for known inputs; None where this table does not know the operator.

    Raises:
        ValueError, IndexError, TypeError, OverflowError: the values do not fit the operator.
    """
    rule = _RULES.get(node.op)
    if rule is None:
        return None
    with np.errstate(all="ignore"):
        result = rule(node, inputs)
    return None if result is None else np.asarray(result)


Rule = Callable[[Node, list[Any]], Any]


def _axes(node: Node, inputs: list[Any]) -> list[int] | None:
    if len(inputs) > 1 and inputs[1] is not None:
        return [int(a) for a in np.atleast_1d(inputs[1])]
    axes = node.attributes.get("axes")
    return None if axes is None else list(axes)


def _unsqueeze(node: Node, inputs: list[Any]) -> Any:
    axes = _axes(node, inputs) or []
    return np.expand_dims(inputs[0], tuple(axes))


def _squeeze(node: Node, inputs: list[Any]) -> Any:
    axes = _axes(node, inputs)
    return np.squeeze(inputs[0], None if axes is None else tuple(axes))


def _slice(node: Node, inputs: list[Any]) -> Any:
    if len(inputs) > 1:
        starts, ends = inputs[1], inputs[2]
        axes = inputs[3] if len(inputs) > 3 and inputs[3] is not None else range(len(starts))
        steps = inputs[4] if len(inputs) > 4 and inputs[4] is not None else [1] * len(starts)
    else:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes, steps = node.attributes.get("axes", range(len(starts))), [1] * len(starts)
    index: list[slice] = [slice(None)] * inputs[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size, begin, stop = inputs[0].shape[int(axis)], int(start), int(end)
        # Going backwards, "before the first" is a stop below -size, which Python spells None.
        index[int(axis)] = slice(begin, None if int(step) < 0 and stop < -size else stop, int(step))
    return inputs[0][tuple(index)]


def _constant_of_shape(node: Node, inputs: list[Any]) -> Any:
    value = np.asarray(node.attributes.get("value", np.zeros(1, np.float32))).reshape(-1)
    if np.prod(inputs[0], dtype=object) > MAX_ELEMENTS:
        return None
    return np.full(tuple(int(d) for d in inputs[0]), value[0], value.dtype)


def _reshape(node: Node, inputs: list[Any]) -> Any:
    target = [int(d) for d in inputs[1]]
    if not node.attributes.get("allowzero", 0):
        target = [inputs[0].shape[i] if d == 0 else d for i, d in enumerate(target)]
    return inputs[0].reshape(target)


def _expand(node: Node, inputs: list[Any]) -> Any:
    shape = np.broadcast_shapes(inputs[0].shape, tuple(int(d) for d in inputs[1]))
    return np.broadcast_to(inputs[0], shape) if np.prod(shape, dtype=object) <= MAX_ELEMENTS else None


def _range(node: Node, inputs: list[Any]) -> Any:
    start, limit, delta = (int(x) for x in inputs)
    if delta == 0 or abs(limit - start) // abs(delta) > MAX_ELEMENTS or inputs[0].dtype.kind not in "iu":
        return None
    return np.arange(start, limit, delta, inputs[0].dtype)


def _cast(node: Node, inputs: list[Any]) -> Any:
    import onnx

    return inputs[0].astype(onnx.helper.tensor_dtype_to_np_dtype(node.attributes["to"]))


def _divide(node: Node, inputs: list[Any]) -> Any:
    if inputs[0].dtype.kind in "iu":  # ONNX truncates towards zero
        quotient = np.abs(inputs[0]) // np.abs(inputs[1])
        return (quotient * np.sign(inputs[0]) * np.sign(inputs[1])).astype(inputs[0].dtype)
    return inputs[0] / inputs[1]


_RULES: dict[str, Rule] = {
    "Identity": lambda node, x: x[0],
    "Cast": _cast,
    "Gather": lambda node, x: np.take(x[0], x[1], node.attributes.get("axis", 0)),
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Concat": lambda node, x: np.concatenate(x, node.attributes["axis"]),
    "Slice": _slice,
    "Reshape": _reshape,
    "Transpose": lambda node, x: np.transpose(x[0], node.attributes.get("perm")),
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Range": _range,
    "Add": lambda node, x: x[0] + x[1],
    "Sub": lambda node, x: x[0] - x[1],
    "Mul": lambda node, x: x[0] * x[1],
    "Div": _divide,
    "Mod": lambda node, x: np.mod(x[0], x[1]),
    "Neg": lambda node, x: -x[0],
    "Abs": lambda node, x: np.abs(x[0]),
    "Min": lambda node, x: np.minimum.reduce(x),
    "Max": lambda node, x: np.maximum.reduce(x),
    "Equal": lambda node, x: x[0] == x[1],
    "Less": lambda node, x: x[0] < x[1],
    "Greater": lambda node, x: x[0] > x[1],
    "Not": lambda node, x: np.logical_not(x[0]),
    "And": lambda node, x: np.logical_and(x[0], x[1]),
    "Or": lambda node, x: np.logical_or(x[0], x[1]),
    "Where": lambda node, x: np.where(x[0], x[1], x[2]),
    "Size": lambda node, x: np.asarray(x[0].size, np.int64),
}
