"""Asked before anything is converted: is every number finite, and can what is meant to be binary become binary?"""

from __future__ import annotations

from typing import Any

import numpy as np

from repbnn_edge import stack
from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.keras_graph import Graph, Node
from repbnn_edge.layers import why_not_binary
from repbnn_edge.layers.binary import claims_binary


def check_network(graph: Graph) -> None:
    """Check all layers' numbers and types.

    Raises:
        BadInputError: NaN or infinity in the weights, by layer.
        UnsupportedError: a layer that computes in another type than float32, by name.
    """
    seen: set[int] = set()
    for node in graph.nodes:
        if id(node.layer) in seen:
            continue
        seen.add(id(node.layer))
        policy = str(getattr(node.layer, "compute_dtype", None) or "float32")
        if policy != "float32" and node.layer.weights:
            raise UnsupportedError(node.layer_name, f"it computes in {policy}", "build the network in float32")
        _check_finite(node)


def check_layer(node: Node, binary_input: bool) -> None:
    """Refuse a layer that is meant to be binary and is not.

    It is meant to be binary when it quantises its kernel, and its input is quantised too. A layer with binary weights
    on a float input is a full-precision layer (the stem of many networks).

    Raises:
        UnsupportedError: by name, with the reason.
    """
    layer = node.layer
    noop = stack.larq().quantizers.NoOp
    quantizer = getattr(layer, "input_quantizer", None)
    meant = (quantizer is not None and not isinstance(quantizer, noop)) or binary_input
    if not meant or not _claims(layer):
        return
    reason = why_not_binary(layer)
    if reason is not None:
        raise UnsupportedError(node.layer_name, f"it would not become binary, {reason}", _remedy(reason))


def _claims(layer: Any) -> bool:
    noop = stack.larq().quantizers.NoOp
    quantizers = [getattr(layer, f"{part}_quantizer", None) for part in ("depthwise", "pointwise")]
    return claims_binary(layer) or any(q is not None and not isinstance(q, noop) for q in quantizers)


def _remedy(reason: str) -> str:
    if "more than one bit" in reason or "real numbers" in reason:
        return "use one-bit quantisers (LCE has no operator for other widths)"
    if "unsigned" in reason or "input quantiser" in reason:
        return "use an input quantiser with the values -1 and +1, such as ste_sign"
    if "zeros" in reason:
        return "binarise to -1 and +1"
    return "change the layer, or remove its quantisers to keep it in full precision"


def _check_finite(node: Node) -> None:
    for variable in node.layer.weights:
        values = np.asarray(variable)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            bad = "NaN" if np.isnan(values).any() else "infinity"
            raise BadInputError(
                node.layer_name,
                f"its {variable.name.split('/')[-1].split(':')[0]} holds {bad}",
                "train or load it again",
            )
