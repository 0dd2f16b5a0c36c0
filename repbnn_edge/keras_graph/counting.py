"""Weights and multiply-accumulates of every call, the binary and the full-precision ones apart.

MACs = H_out * W_out * k * k * C_in * C_out / groups, padding taps counted, convolutions and dense layers only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from repbnn_edge.keras_graph.binary import binary_nodes, input_precision, two_valued_taps, weight_precision
from repbnn_edge.keras_graph.graph import Graph, Node
from repbnn_edge.keras_graph.walker import walk

_TRANSPOSED = "Transpose"


@dataclass(frozen=True)
class Cost:
    """What one call costs.

    Attributes:
        input_bits: precision of what the kernel reads; None for full precision and for layers without a kernel.
        binary_weights: two-valued weights; 0 in a second call of a shared layer, as the other weights.
        float_weights: all other variables.
        binary_macs: of a layer whose weights and input are two-valued.
        float_macs: of all other convolutions and dense layers.
    """

    input_bits: int | None
    binary_weights: int
    float_weights: int
    binary_macs: int
    float_macs: int


def costs(model: Any) -> dict[str, Cost]:
    """The cost of each node, by name.

    Args:
        model: a built Keras model or a ``Graph``. Where a map size is not known, its MACs count as 0.
    """
    graph: Graph = walk(model)
    taps = two_valued_taps(graph)
    binary = set(binary_nodes(graph, taps))
    return {node.name: _cost(node, node in binary, input_precision(node, taps)) for node in graph.nodes}


def totals(model: Any) -> dict[str, dict[str, int]]:
    """``{"macs": {"binary", "float"}, "parameters": {"binary", "float"}}`` of a network, before folding."""
    each = costs(model).values()
    return {
        "macs": {"binary": sum(c.binary_macs for c in each), "float": sum(c.float_macs for c in each)},
        "parameters": {"binary": sum(c.binary_weights for c in each), "float": sum(c.float_weights for c in each)},
    }


def kernels_of(layer: Any) -> list[Any]:
    """The kernel variables of a convolution or dense layer: none, one, or the two of a separable one."""
    names = ("depthwise_kernel", "pointwise_kernel", "kernel")
    return [getattr(layer, name) for name in names if hasattr(getattr(layer, name, None), "shape")]


def _cost(node: Node, binary: bool, bits: int | None) -> Cost:
    kernels = [math.prod(kernel.shape) for kernel in kernels_of(node.layer)]
    macs = sum(kernels) * _positions(node) if kernels else 0
    weights = sum(math.prod(variable.shape) for variable in node.layer.weights) if node.is_first_call else 0
    two_valued = sum(kernels) if node.is_first_call and weight_precision(node.layer) == 1 else 0
    return Cost(
        input_bits=bits if kernels else None,
        binary_weights=two_valued,
        float_weights=weights - two_valued,
        binary_macs=macs if binary else 0,
        float_macs=0 if binary else macs,
    )


def _positions(node: Node) -> int:
    """How often the kernels are applied: places of the output map, of the input map for a transposed convolution."""
    map_of = node.inputs[0] if _TRANSPOSED in type(node.layer).__name__ else node.outputs[0]
    sizes = map_of.shape[1:-1]
    return 0 if None in sizes else math.prod(int(size) for size in sizes if size is not None)
