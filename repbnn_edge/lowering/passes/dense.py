"""A binary dense layer becomes a 1x1 convolution: LCE has no binary dense operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from repbnn_edge.lowering.plan import Convolution, Plan, Reshape, Shape, Step


def dense_as_convolution(plan: Plan) -> Plan:
    """Give binary dense layers the form that LCE has.

    Given: ``Convolution(dense)`` on (1, .., C).
    Result: ``Reshape`` to (1, 1, 1, C), or (1, 1, positions, C); a 1x1 ``Convolution``; ``Reshape`` back. Exact.
    """
    shapes: dict[str, Shape] = {}

    def rewrite(step: Step) -> Sequence[Step] | None:
        if not isinstance(step, Convolution) or not step.dense:
            return None
        shape = plan.shape(step.inputs[0])
        filters = step.weights.shape[-1]
        positions = 1
        for size in shape[1:-1]:
            positions *= size
        wide, narrow = f"{step.name}/map", f"{step.name}/1x1"
        shapes[wide], shapes[narrow] = (1, 1, positions, shape[-1]), (1, 1, positions, filters)
        return [
            Reshape(name=wide, inputs=step.inputs, outputs=(wide,), shape=shapes[wide]),
            replace(step, inputs=(wide,), outputs=(narrow,), dense=False),
            Reshape(name=f"{step.name}/back", inputs=(narrow,), outputs=step.outputs, shape=(*shape[:-1], filters)),
        ]

    return plan.rewritten(rewrite, "a 1x1 convolution", shapes)
