"""What stands between the integers of a binary layer and the next sign, where it is one scale and shift a channel.

Such a layer becomes thresholds in a file: no integer is seen there, and the bit must be the sign of
``scale * integer + shift``, which is computed here in float64 from the network's own parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge import stack
from repbnn_edge.keras_graph import Graph, Node, Value
from repbnn_edge.layers import BinaryView

Affine = tuple[NDArray[np.float64], NDArray[np.float64]]


def to_next_sign(graph: Graph, views: Mapping[str, BinaryView], sign_inputs: Iterable[Value]) -> dict[str, Affine]:
    """For each binary node that reaches a sign by nothing but scales, shifts and tiling: (scale, shift), float64.

    Args:
        graph: the network.
        views: its binary nodes, by name.
        sign_inputs: the values whose sign binary layers read. What holds signs already, as the output of an RSign,
            is followed back through it.

    Returns:
        by node name; a node that reaches two signs in different ways is left out.
    """
    found: dict[str, Affine] = {}
    ambiguous: set[str] = set()
    for value in {value.tap: value for value in sign_inputs}.values():
        end = _follow(graph, views, value)
        if end is None:
            continue
        name, affine = end
        if name in found and not all(np.array_equal(a, b) for a, b in zip(found[name], affine, strict=True)):
            ambiguous.add(name)
        found[name] = affine
    return {name: affine for name, affine in found.items() if name not in ambiguous}


def _follow(graph: Graph, views: Mapping[str, BinaryView], value: Value) -> tuple[str, Affine] | None:
    """Walk back from a sign input to a binary node, composing ``scale * (what is before) + shift`` at full width."""
    scale: NDArray[np.float64] = np.ones(value.shape[-1] or 1)
    shift: NDArray[np.float64] = np.zeros_like(scale)
    repeats, node = 1, graph.producer(value)
    while node is not None and node.name not in views:
        step = _step(node)
        if step is None or len(node.inputs) != 1 or len(node.outputs) != 1:
            return None
        a, b, times = step
        scale, shift = scale * _tile(a, repeats), shift + scale * _tile(b, repeats)
        repeats *= times
        node = graph.producer(node.inputs[0])
    if node is None or views[node.name].activation is not None:
        return None
    view = views[node.name]
    repeats *= view.output_repeats
    bias = np.zeros(1) if view.bias is None else _tile(view.bias, repeats // view.output_repeats)
    return node.name, (scale * _tile(view.scale, repeats), shift + scale * bias)


def _tile(numbers: Any, repeats: int) -> NDArray[np.float64]:
    array = np.asarray(numbers, np.float64)
    return np.tile(array, repeats) if array.ndim else array


def _step(node: Node) -> tuple[Any, Any, int] | None:
    """(scale, shift, repeats) of a node that treats each channel by itself; None for any other."""
    layer, kind = node.layer, node.operation
    if kind in ("BatchNormalization", "SyncBatchNormalization"):
        return _batch_norm(node)
    if kind == "ChannelAffine":
        return _number(layer.scale, 1.0), _number(layer.shift, 0.0), 1
    if kind in ("ChannelShift", "RSign"):
        return 1.0, _number(layer.shift, 0.0), 1
    if kind in ("Dropout", "SpatialDropout2D") or _is_plain_sign_or_linear(node):
        return 1.0, 0.0, 1
    if kind == "RepeatChannels":
        return 1.0, 0.0, int(layer.times)
    return None


def _is_plain_sign_or_linear(node: Node) -> bool:
    """A sign behind the affine part, where the layer reads signs; and an activation that does nothing."""
    linear = stack.tensorflow().keras.activations.linear
    if node.operation == "Activation":
        return node.layer.activation is linear or getattr(node.layer.activation, "precision", None) == 1
    return not node.is_operation and getattr(node.layer, "precision", None) == 1 and not node.layer.weights


def _batch_norm(node: Node) -> tuple[Any, Any, int] | None:
    layer, last = node.layer, len(node.inputs[0].shape) - 1
    axis = list(layer.axis) if isinstance(layer.axis, list | tuple) else [layer.axis]
    if axis not in ([-1], [last]):
        return None
    scale = _number(layer.gamma, 1.0) / np.sqrt(_number(layer.moving_variance, 1.0) + float(layer.epsilon))
    return scale, _number(layer.beta, 0.0) - scale * _number(layer.moving_mean, 0.0), 1


def _number(variable: Any, default: float) -> NDArray[np.float64]:
    return np.asarray(default if variable is None else variable, dtype=np.float64)
