"""Padding in front of a full-precision convolution is trimmed to what the convolution reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from repbnn_edge import stack
from repbnn_edge.lowering.plan import Call, Pad, Pads, Plan, Shape, Step


def trim_float_pads(plan: Plan) -> Plan:
    """Trim padding that no tap reads.

    Given: ``Pad``, a convolution or depthwise convolution with VALID padding.
    Result: the same with the padding at the end that the last output reads ((1, 1) in front of 3x3, stride 2 on an even
    map becomes (1, 0)); a ``Pad`` of its own for each reader. Exact.
    LCE fuses padding and VALID into SAME by its halves alone, without looking at the kernel, which moves every tap of
    PyTorch's stride-2 convolutions by one. Once trimmed, the sum is SAME's own, and so its fusion is right.
    """
    shapes: dict[str, Shape] = {}

    def rewrite(step: Step) -> Sequence[Step] | None:
        if not isinstance(step, Call) or len(step.inputs) != 1:
            return None
        pad = plan.producer(step.inputs[0])
        geometry = _valid_geometry(step.layer)
        if not isinstance(pad, Pad) or geometry is None:
            return None
        size = plan.shape(pad.inputs[0])[1:3]
        strides, spans = geometry
        rows, columns = (_read(size[axis], pad.padding[axis], strides[axis], spans[axis]) for axis in (0, 1))
        if (rows, columns) == pad.padding:
            return None
        trimmed = f"{step.name}/trimmed"
        padding: Pads = (rows, columns)
        source = plan.shape(pad.inputs[0])
        shapes[trimmed] = (source[0], source[1] + sum(rows), source[2] + sum(columns), source[3])
        return [
            replace(pad, name=trimmed, outputs=(trimmed,), padding=padding),
            replace(step, inputs=(trimmed,)),
        ]

    return plan.rewritten(rewrite, "padding trimmed to what is read", shapes)


def _read(size: int, pads: tuple[int, int], stride: int, span: int) -> tuple[int, int]:
    before, after = pads
    outputs = (size + before + after - span) // stride + 1
    return before, max(0, min(after, (outputs - 1) * stride + span - size - before))


def _valid_geometry(layer: Any) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Strides and spans of a 2-D convolution without padding of its own; None for anything else."""
    keras = stack.tensorflow().keras.layers
    if not isinstance(layer, keras.Conv2D | keras.DepthwiseConv2D | keras.SeparableConv2D):
        return None
    if isinstance(layer, keras.Conv2DTranspose) or layer.padding != "valid" or getattr(layer, "pads", None):
        return None
    rows, columns = ((k - 1) * d + 1 for k, d in zip(layer.kernel_size, layer.dilation_rate, strict=True))
    return tuple(layer.strides), (rows, columns)
