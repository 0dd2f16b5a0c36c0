"""Kernel rows and columns that only ever lie on padding are cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from repbnn_edge.lowering.plan import Convolution, Pads, Plan, Step


def trim_kernels(plan: Plan) -> Plan:
    """Cut taps that never touch the map.

    Given: ``Convolution`` padded with zeros, kernel larger than its map can use (3x3 on a 1x1 map).
    Result: the same with the taps that it uses and less padding (1x1, none). Exact: a tap on zeros adds nothing.
    """

    def rewrite(step: Step) -> Sequence[Step] | None:
        if not isinstance(step, Convolution) or step.dense or step.pad_value != 0:
            return None
        size = plan.shape(step.inputs[0])[1:3]
        outputs = step.output_size(*size)
        used = [_used(step, axis, size[axis], outputs[axis]) for axis in (0, 1)]
        (top, rows), (left, columns) = used
        weights = step.weights[top:rows, left:columns]
        if weights.shape == step.weights.shape or 0 in weights.shape:
            return None
        padding: list[tuple[int, int]] = []
        for axis, (first, end) in enumerate(used):
            dilation, (before, after) = step.dilations[axis], step.padding[axis]
            cut = (first * dilation, (step.weights.shape[axis] - end) * dilation)
            padding.append((before - cut[0], after - cut[1]))
        if min(min(pads) for pads in padding) < 0:
            return None
        pads: Pads = (padding[0], padding[1])
        return [replace(step, weights=weights, padding=pads)]

    return plan.rewritten(rewrite, "kernel cut to the taps that touch the map")


def _used(step: Convolution, axis: int, size: int, outputs: int) -> tuple[int, int]:
    """First and one past the last tap that touches the map for some output."""
    stride, dilation, before = step.strides[axis], step.dilations[axis], step.padding[axis][0]
    taps = [
        tap
        for tap in range(step.weights.shape[axis])
        if any(0 <= out * stride - before + tap * dilation < size for out in range(outputs))
    ]
    return (taps[0], taps[-1] + 1) if taps else (0, 0)
