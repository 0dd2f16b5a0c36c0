"""Grouped binary convolutions become one convolution a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from repbnn_edge.errors import UnsupportedError
from repbnn_edge.lowering.plan import Concat, Convolution, Plan, Shape, Sign, SliceChannels, Step

_MOST_GROUPS = 64


def split_groups(plan: Plan) -> Plan:
    """Split grouped binary convolutions.

    Given: ``Sign``, ``Convolution`` of several groups.
    Result: for each group a slice of the float map, ``Sign``, ``Convolution``; then a concat. Exact.
    LCE turns groups of fewer than 32 channels into a float convolution without failing, and its default kernel
    cannot run the others.

    Raises:
        UnsupportedError: more groups than a device would want as separate operators, by the layer's name.
    """
    shapes: dict[str, Shape] = {}

    def rewrite(step: Step) -> Sequence[Step] | None:
        if not isinstance(step, Convolution) or step.groups == 1:
            return None
        if step.groups > _MOST_GROUPS:
            raise UnsupportedError(
                step.layer,
                f"it is a binary convolution of {step.groups} groups, and LCE has no grouped one that runs",
                f"use at most {_MOST_GROUPS} groups, or keep the layer in full precision",
            )
        sign = plan.producer(step.inputs[0])
        assert isinstance(sign, Sign)  # sign_last ran
        size, target = plan.shape(step.inputs[0]), plan.shape(step.output)
        made: list[Step] = []
        parts: list[str] = []
        weights = np.split(step.weights, step.groups, axis=-1)
        scales = np.split(step.scale, step.groups)
        width = size[-1] // step.groups
        for group, (kernel, scale) in enumerate(zip(weights, scales, strict=True)):
            sliced, signed, part = (f"{step.name}/group{group}/{what}" for what in ("slice", "sign", "part"))
            shapes[sliced] = shapes[signed] = (*size[:-1], width)
            shapes[part] = (*target[:-1], kernel.shape[-1])
            begin = group * width
            made += [
                SliceChannels(name=sliced, inputs=sign.inputs, outputs=(sliced,), begin=begin, end=begin + width),
                Sign(name=signed, inputs=(sliced,), outputs=(signed,)),
                replace(step, name=part, inputs=(signed,), outputs=(part,), weights=kernel, scale=scale, groups=1),
            ]
            parts.append(part)
        return [*made, Concat(name=f"{step.name}/groups", inputs=tuple(parts), outputs=step.outputs)]

    return plan.rewritten(rewrite, "one convolution a group", shapes)
