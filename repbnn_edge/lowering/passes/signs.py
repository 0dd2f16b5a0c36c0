"""The sign moves right before the binary convolution: only there LCE sees that the input is binary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from repbnn_edge.errors import UnsupportedError
from repbnn_edge.lowering.plan import Call, Convolution, Pad, Plan, Repeat, Reshape, Shape, Sign, Step


def sign_last(plan: Plan) -> Plan:
    """Move signs behind what only moves values: max pooling, reshape, concat, slice, repeat, a padding with +-1.

    Given: sign, steps that commute with it, ``Convolution``.
    Result: the same steps on the float map, ``Sign``, ``Convolution``; other readers of the sign keep theirs. Exact:
    sign(max(x)) = max(sign(x)), and sign(+-1) = +-1. It does not cross a padding with zeros or a sum.

    Raises:
        UnsupportedError: a binary convolution whose input is no moved sign, by its name.
    """
    shapes: dict[str, Shape] = {}
    twins: dict[str, str] = {}

    def unsigned(value: str, made: list[Step], layer: str) -> str:
        """The float value whose sign is ``value``; the steps that it takes are put into ``made``."""
        step = plan.producer(value)
        if isinstance(step, Sign):
            return step.inputs[0]
        if value in twins:
            return twins[value]
        if step is None or not _commutes(step):
            raise UnsupportedError(
                layer, f"its binary input comes through {step.name if step else value}", "take the sign right before it"
            )
        inputs = tuple(unsigned(source, made, layer) for source in step.inputs)
        twins.update((output, f"{output}/unsigned") for output in step.outputs)
        outputs = tuple(twins[output] for output in step.outputs)
        shapes.update((twins[output], plan.shapes[output]) for output in step.outputs)
        made.append(replace(step, name=f"{step.name}/unsigned", inputs=inputs, outputs=outputs))
        return twins[value]

    def rewrite(step: Step) -> Sequence[Step] | None:
        if not isinstance(step, Convolution) or isinstance(plan.producer(step.inputs[0]), Sign):
            return None
        made: list[Step] = []
        source = unsigned(step.inputs[0], made, step.layer)
        signed = f"{step.name}/sign"
        shapes[signed] = plan.shapes[step.inputs[0]]
        sign = Sign(name=signed, inputs=(source,), outputs=(signed,))
        return [*made, sign, replace(step, inputs=(signed,))]

    return plan.rewritten(rewrite, "the sign taken right before it", shapes)


def _commutes(step: Step) -> bool:
    if isinstance(step, Pad):
        return step.value in (1.0, -1.0)
    return isinstance(step, Repeat | Reshape) or (isinstance(step, Call) and step.moves)
