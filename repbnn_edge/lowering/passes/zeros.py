"""Padding of a binary map, in the forms that LCE computes right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from repbnn_edge.lowering.plan import (
    NO_PADS,
    Concat,
    Convolution,
    Crop,
    Pad,
    Pads,
    Plan,
    Shape,
    Sign,
    Step,
    same_padding,
)


def pad_with_zeros(plan: Plan) -> Plan:
    """Replace every padding that LCE has no right form for.

    Given: ``Sign``, ``Convolution`` with an explicit padding.
    Result, the first that holds; all are exact:

    1. No padding, or TensorFlow's SAME with +1, or SAME with 0 and a kernel that fits on the map: as it is. (LCE's
       kernel is wrong for SAME with 0 where the kernel is larger than the map.)
    2. +1 or -1: the float map is padded with it before the sign; no padding.
    3. 0, and SAME on a map grown at its end by less than a stride puts every tap that is read in the right place:
       grow the float map, SAME, crop. PyTorch's stride 2, padding 1 on an even map is this.
    4. 0 otherwise: the float map padded with +1 beside the same padded with -1, along channels; the kernel twice, half
       the scale, no padding. Taps on the padding cancel, the others count double. Twice the MACs.
    """
    shapes: dict[str, Shape] = {}

    def rewrite(step: Step) -> Sequence[Step] | None:
        if not isinstance(step, Convolution) or not any(map(any, step.padding)):
            return None
        size = plan.shape(step.inputs[0])
        rows, columns = size[1:3]
        fits = step.spans[0] <= rows and step.spans[1] <= columns
        is_same = step.padding == same_padding((rows, columns), step.strides, step.spans)
        if is_same and (step.pad_value == 1 or (step.pad_value == 0 and fits)):
            return None
        sign = plan.producer(step.inputs[0])
        assert isinstance(sign, Sign)  # sign_last ran
        if step.pad_value != 0:
            return _padded_before_the_sign(step, sign.inputs[0], size, shapes)
        growth = _growth(step, (rows, columns))
        if growth is not None:
            return _grown(step, sign.inputs[0], size, growth, shapes)
        return _doubled(step, sign.inputs[0], size, shapes)

    return plan.rewritten(rewrite, "padding in a form that LCE computes right", shapes)


def _padded_before_the_sign(step: Convolution, source: str, size: Shape, shapes: dict[str, Shape]) -> list[Step]:
    padded, signed = f"{step.name}/pad", f"{step.name}/sign"
    shapes[padded] = shapes[signed] = _padded(size, step.padding)
    return [
        Pad(name=padded, inputs=(source,), outputs=(padded,), padding=step.padding, value=float(step.pad_value)),
        Sign(name=signed, inputs=(padded,), outputs=(signed,)),
        replace(step, inputs=(signed,), padding=NO_PADS),
    ]


def _growth(step: Convolution, size: tuple[int, int]) -> tuple[int, int] | None:
    """By how many rows and columns to grow the map so that SAME reads what ``step`` reads; None if nothing does."""
    found = [_growth_along(step, axis, size[axis]) for axis in (0, 1)]
    return None if None in found else (found[0], found[1])  # type: ignore[return-value]


def _growth_along(step: Convolution, axis: int, size: int) -> int | None:
    stride, span, before = step.strides[axis], step.spans[axis], step.padding[axis][0]
    outputs = (size + sum(step.padding[axis]) - span) // stride + 1
    last_read = (outputs - 1) * stride - before + span - 1
    for growth in range(stride):
        grown = size + growth
        same = same_padding((grown, grown), (stride, stride), (span, span))[0]
        # What was grown must not be read: it is not zero.
        reads_own = growth == 0 or last_read < size
        if span <= grown and same[0] == before and -(-grown // stride) >= outputs and reads_own:
            return growth
    return None


def _grown(
    step: Convolution, source: str, size: Shape, growth: tuple[int, int], shapes: dict[str, Shape]
) -> list[Step]:
    grown, signed, whole = (f"{step.name}/{what}" for what in ("grow", "sign", "whole"))
    more: Pads = ((0, growth[0]), (0, growth[1]))
    large = _padded(size, more)
    padding = same_padding(large[1:3], step.strides, step.spans)
    rows, columns = (-(-n // stride) for n, stride in zip(large[1:3], step.strides, strict=True))
    shapes[grown] = shapes[signed] = large
    shapes[whole] = (1, rows, columns, step.weights.shape[-1])
    steps: list[Step] = [
        Pad(name=grown, inputs=(source,), outputs=(grown,), padding=more, value=0.0),
        Sign(name=signed, inputs=(grown if any(growth) else source,), outputs=(signed,)),
        replace(step, inputs=(signed,), outputs=(whole,), padding=padding),
        Crop(name=f"{step.name}/crop", inputs=(whole,), outputs=step.outputs, size=step.output_size(*size[1:3])),
    ]
    return steps if any(growth) else steps[1:]


def _doubled(step: Convolution, source: str, size: Shape, shapes: dict[str, Shape]) -> list[Step]:
    up, down, both, signed = (f"{step.name}/{what}" for what in ("plus", "minus", "both", "sign"))
    large = _padded(size, step.padding)
    shapes[up] = shapes[down] = large
    shapes[both] = shapes[signed] = (*large[:-1], 2 * large[-1])
    return [
        Pad(name=up, inputs=(source,), outputs=(up,), padding=step.padding, value=1.0),
        Pad(name=down, inputs=(source,), outputs=(down,), padding=step.padding, value=-1.0),
        Concat(name=both, inputs=(up, down), outputs=(both,)),
        Sign(name=signed, inputs=(both,), outputs=(signed,)),
        replace(
            step,
            inputs=(signed,),
            weights=np.concatenate([step.weights, step.weights], axis=2),
            scale=step.scale / np.float32(2),
            padding=NO_PADS,
        ),
    ]


def _padded(size: Shape, pads: Pads) -> Shape:
    return (size[0], size[1] + sum(pads[0]), size[2] + sum(pads[1]), size[3])
