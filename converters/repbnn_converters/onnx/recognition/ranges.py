"""Which values are never negative, read off the operators that make them.

sign(x) of such a map is 0 or 1, and dividing by such a number leaves a sign as it is.
"""

from __future__ import annotations

import numpy as np

from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.recognition.builder import Builder

# Not negative whatever they read.
_ALWAYS = {"Relu", "Abs", "Sigmoid", "HardSigmoid", "Exp", "Softplus", "Sqrt", "Softmax"}
_ALWAYS |= {"ReduceL1", "ReduceL2", "ReduceSumSquare"}
# Not negative where what they read first is not.
_KEEPING = {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceMin"}
_KEEPING |= {"ReduceSum", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Gather", "Expand"}
_KEEPING |= {"Tile", "Split", "Identity", "DepthToSpace", "SpaceToDepth", "Cast", "Pad"}
# Not negative where nothing that they read is.
_OF_ALL = {"Add", "Mul", "Div", "Min", "Concat"}


def note(builder: Builder, node: Node) -> None:
    """Remember whether the node's outputs are at least 0 everywhere; to be called for every node, in order."""
    if _never_negative(builder, node):
        builder.never_negative.update(output for output in node.outputs if output)


def never_negative(builder: Builder, name: str) -> bool:
    """Whether a value of the file is at least 0 everywhere."""
    constant = builder.graph.constants.get(name)
    if constant is None:
        return name in builder.never_negative
    return constant.dtype.kind in "fiub" and bool((constant >= 0).all())


def _never_negative(builder: Builder, node: Node) -> bool:
    known = [never_negative(builder, name) for name in node.inputs if name]
    if node.op in _ALWAYS or (node.op == "Clip" and _lowest(builder, node) >= 0):
        return True
    if node.op in _KEEPING:
        return bool(known) and known[0] and (node.op != "Pad" or _pads_with_at_least_0(builder, node))
    if node.op == "Max":
        return any(known)
    if node.op == "Pow":
        return builder.scalar(node, 1) == 2
    return (node.op == "Mul" and node.inputs[0] == node.inputs[1]) or (node.op in _OF_ALL and all(known))


def _lowest(builder: Builder, node: Node) -> float:
    """The lower bound of a Clip."""
    if "min" in node.attributes:
        return float(node.attributes["min"])
    bound = builder.scalar(node, 1) if node.input(1) else None
    return -np.inf if bound is None else bound


def _pads_with_at_least_0(builder: Builder, node: Node) -> bool:
    if node.attributes.get("mode", "constant") != "constant":
        return True
    value = builder.known(node, 2) if node.input(2) else None
    return float(node.attributes.get("value", 0.0)) >= 0 and (value is None or bool((value >= 0).all()))
