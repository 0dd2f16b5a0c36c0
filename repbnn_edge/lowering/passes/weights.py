"""Weight quantisers of full-precision layers are folded into their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from repbnn_edge import stack
from repbnn_edge.keras_graph import copy_layer
from repbnn_edge.lowering.plan import Call, Plan, Step

_PARTS = ("kernel", "depthwise", "pointwise")


def fold_weight_quantizers(plan: Plan) -> Plan:
    """Fold what TensorFlow leaves for every inference where the weights are large (XNORNet: 170 MB instead of 24).

    Given: a call of a larq layer that quantises its weights and reads a float map.
    Result: a call of the same layer without quantiser, its weights quantised. Exact. Binary layers are folded already:
    their ``Convolution`` holds +-1 and a scale.
    """
    folded: dict[int, Any] = {}

    def rewrite(step: Step) -> Sequence[Step] | None:
        if not isinstance(step, Call):
            return None
        quantizers = {f"{part}_quantizer": None for part in _PARTS if getattr(step.layer, f"{part}_quantizer", None)}
        if not quantizers:
            return None
        if id(step.layer) not in folded:
            folded[id(step.layer)] = _folded(step, quantizers)
        return [replace(step, layer=folded[id(step.layer)])]

    return plan.rewritten(rewrite, "weight quantiser folded")


def _folded(step: Call, quantizers: dict[str, None]) -> Any:
    tf = stack.tensorflow()
    twin = copy_layer(step.layer, **quantizers)
    twin.build(step.node.inputs[0].shape)
    for own, quantized in zip(twin.weights, step.layer.weights, strict=True):
        with stack.larq().context.quantized_scope(True):
            own.assign(tf.convert_to_tensor(quantized))
    return twin
