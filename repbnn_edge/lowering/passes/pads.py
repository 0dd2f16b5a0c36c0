"""Zeros padded to a binary map belong to the convolution behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from repbnn_edge.lowering.plan import Convolution, Pad, Plan, Step


def absorb_pads(plan: Plan) -> Plan:
    """Take a padding with zeros into the binary convolution that reads it.

    Given: sign, ``Pad`` with 0, ``Convolution`` with no padding or a padding of 0.
    Result: sign, ``Convolution`` with the sum of both paddings. Exact.
    LCE alone would leave a float convolution, since 0 is no binary value.
    """

    def rewrite(step: Step) -> Sequence[Step] | None:
        if not isinstance(step, Convolution):
            return None
        pad = plan.producer(step.inputs[0])
        own = any(map(any, step.padding))
        if not isinstance(pad, Pad) or pad.value != 0 or (own and step.pad_value != 0):
            return None
        rows, columns = (
            (outer[0] + inner[0], outer[1] + inner[1]) for outer, inner in zip(pad.padding, step.padding, strict=True)
        )
        return [replace(step, inputs=pad.inputs, padding=(rows, columns), pad_value=0)]

    return plan.rewritten(rewrite, "the zeros before it are its padding")
