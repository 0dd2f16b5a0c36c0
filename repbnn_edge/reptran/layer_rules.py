"""The rules for layers without a kernel: per-channel layers grow, all others stay as they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from repbnn_edge.reptran.call import Call, Result
from repbnn_edge.reptran.kinds import is_softmax
from repbnn_edge.reptran.shapes import normalized, reshaped_axis

Rule = Callable[[Call], Result]


def keep(call: Call) -> Result:
    """Given: a layer that treats every element, or every channel, by itself. Result: the same, as wide as its input."""
    return call.copied((call.axis,))


def softmax(call: Call) -> Result:
    """Refuses a softmax over the repeated channels: its sum would run over beta copies."""
    axis = normalized(int(getattr(call.layer, "axis", -1)), call.rank())
    if axis == call.axis:
        raise call.refusal("it is a softmax over repeated channels", "end the network with a dense layer before it")
    return keep(call)


def activation(call: Call) -> Result:
    """An activation function is element-wise, a softmax excepted."""
    return softmax(call) if is_softmax(call.node) else keep(call)


def channels_last(call: Call) -> Result:
    """Given: pooling, padding, cropping, upsampling, repeating. Result: the same on more channels."""
    call.need_last_axis()
    return call.copied((len(call.node.outputs[0].shape) - 1,))


def pad_channels(call: Call) -> Result:
    """Given: the zero-padded (option A) shortcut. Result: beta times the zeros."""
    call.need_last_axis()
    wider = {key: int(getattr(call.layer, key)) * call.beta for key in ("before", "after")}
    return call.copied((call.axis,), f"{call.beta} times the zeros", **wider)


def flatten(call: Call) -> Result:
    """Given: a map. Result: one axis, beta times as long."""
    return call.copied((_reshaped(call),))


def reshape(call: Call) -> Result:
    """Given: a reshape. Result: the target's axis that holds the channels is beta times as long."""
    at = _reshaped(call)
    target = list(call.layer.target_shape)
    if target[at - 1] != -1:
        target[at - 1] *= call.beta
    return call.copied((at,), target_shape=tuple(target))


def permute(call: Call) -> Result:
    """Given: a permutation. Result: the wide axis moves with it."""
    return call.copied((list(call.layer.dims).index(call.axis) + 1,))


def merge(call: Call) -> Result:
    """Given: an addition, product, maximum of maps. Result: the same of wide maps; a plain one is repeated."""
    return call.copied((align(call),))


def concatenate(call: Call) -> Result:
    """Given: a concatenation. Result: the same of wide maps; a plain one is repeated."""
    return call.copied((align_concat(call, int(call.layer.axis)),))


def align(call: Call, constants: Sequence[Any] = ()) -> int:
    """Make all operands of a broadcasting operation agree about the wide axis, and give that axis of the result."""
    ranks = [len(value.shape) for value in call.node.inputs]
    rank = max([*ranks, *(np.ndim(constant) for constant in constants)])
    wide = {axis + rank - r for axis, r in zip(call.axes, ranks, strict=True) if axis is not None}
    if len(wide) != 1:
        raise call.refusal("it joins maps that are wide along different axes")
    (axis,) = wide
    for i, (value, r) in enumerate(zip(call.node.inputs, ranks, strict=True)):
        at = axis - (rank - r)
        if call.axes[i] is not None and value.shape[at] == 1 and _result_size(call, axis, rank) != 1:
            raise call.refusal("it spreads one repeated channel over all others")
        if call.axes[i] is None and at >= 0 and value.shape[at] != 1:
            if at != r - 1:
                raise call.refusal("it joins a plain map to a wide one along an axis that is not the last")
            call.widen(i)
    return axis


def align_concat(call: Call, axis: int) -> int:
    """Make all parts of a concatenation wide along the same axis, and give that axis."""
    axis = normalized(axis, call.rank())
    wide = {a for a in call.axes if a is not None}
    if len(wide) != 1:
        raise call.refusal("it joins maps that are wide along different axes")
    for i in range(len(call.tensors)):
        if call.axes[i] is None:
            call.widen(i)
    if {a for a in call.axes if a is not None} != wide:
        raise call.refusal("it joins a plain map to a wide one along an axis that is not the last")
    return wide.pop()


def _result_size(call: Call, axis: int, rank: int) -> int | None:
    sizes = [v.shape[axis - (rank - len(v.shape))] for v in call.node.inputs if axis - (rank - len(v.shape)) >= 0]
    return None if None in sizes else math.prod({size for size in sizes if size is not None})


def global_pool(call: Call) -> Result:
    """Given: a global pool. Result: one number for each of the wide map's channels."""
    call.need_last_axis()
    return call.copied((len(call.node.outputs[0].shape) - 1,))


def _reshaped(call: Call) -> int:
    before, after = call.node.inputs[0].shape, call.node.outputs[0].shape
    at = reshaped_axis(before, after, call.axis)
    if at is None:
        raise call.refusal("its target cuts the channels in a way that cannot be widened", "reshape whole channels")
    return at


_KEEP = [
    *("BatchNormalization", "SyncBatchNormalization", "PReLU", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU"),
    *("Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization", "Identity"),
    *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
    *("ChannelAffine", "ChannelShift", "RSign", "RPReLU"),
    # Quantisers, which larq and this package write as layers.
    *("SteSign", "ApproxSign", "SteHeaviside", "SwishSign", "SteTern", "DoReFa", "NoOp"),
    *("ReCU", "ReCUSign", "EDESign", "LibraSign", "TwoStepSign"),
]
_SPATIAL = [
    f"{kind}{rank}D"
    for kind in ("MaxPooling", "AveragePooling", "UpSampling", "ZeroPadding", "Cropping")
    for rank in (1, 2, 3)
]
_GLOBAL = [f"Global{kind}Pooling{rank}D" for kind in ("Average", "Max") for rank in (1, 2, 3)]

LAYER_RULES: dict[str, Rule] = {
    **dict.fromkeys(_KEEP, keep),
    **dict.fromkeys([*_SPATIAL, "RepeatChannels"], channels_last),
    **dict.fromkeys(_GLOBAL, global_pool),
    **dict.fromkeys(["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"], merge),
    "Activation": activation,
    "Concatenate": concatenate,
    "Flatten": flatten,
    "PadChannels": pad_channels,
    "Permute": permute,
    "Reshape": reshape,
    "Softmax": softmax,
}
