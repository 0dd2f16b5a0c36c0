"""Binary layers: sums of +-1 weights times signs, and the algebra from there to what the file's layer gives.

With activations ``g * s + o`` and weights ``A * S + B`` (s, S of -1 and +1; A, B per filter) a convolution is

    g * A * conv(s, S)  +  g * B * conv(s, 1)  +  o * conv(1, A * S + B)

that is: a binary convolution of S, one more binary filter of ones, and a constant, which is a map where zero padding
makes the border differ. AdaBin (NeurIPS 2022) has all three terms; everybody else has B = o = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from repbnn_converters.onnx import two_valued
from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import (
    NO_PADS,
    Affine,
    BinaryConv,
    Combine,
    Conv,
    Dense,
    Doubles,
    Pads,
    Pair,
    Shape,
    TakeChannels,
)
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.symbols import Real, TwoValued


@dataclass(frozen=True, eq=False)
class Linear:
    """A convolution or dense layer of the file: weights (filters, C_in / groups, rows, columns)."""

    weights: np.ndarray[Any, np.dtype[np.float32]]
    bias: Doubles | None
    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: Pads = NO_PADS
    groups: int = 1
    dense: bool = False

    @property
    def filters(self) -> int:
        """How many outputs a position has."""
        return len(self.weights)


def merged_pads(symbol: TwoValued, linear: Linear) -> tuple[Pads, int] | None:
    """Padding behind the sign and in the layer as one, and what binary value it has; None where that has none.

    Zero padding of ``g * s + o`` is 0 for the binary map too, and ``_constant`` leaves those taps out; but where one of
    the two values is 0 itself (activations 0 and 1), it is that one that is padded.
    """
    if linear.pads != NO_PADS and symbol.padded and symbol.pad_value:
        return None
    (top, bottom), (left, right) = symbol.pads
    rows, columns = linear.pads
    pads = ((top + rows[0], bottom + rows[1]), (left + columns[0], right + columns[1]))
    padded_with = symbol.pad_value if symbol.padded else 0.0
    value = (padded_with - symbol.offset) / symbol.gain if symbol.gain and pads != NO_PADS else 0.0
    if value in (-1.0, 1.0):
        return pads, int(value)
    return (pads, 0) if padded_with == 0 else None


def binary(
    builder: Builder,
    node: Node,
    linear: Linear,
    symbol: TwoValued,
    weights: two_valued.TwoValued,
    padding: tuple[Pads, int],
) -> None:
    """The node is a binary layer; ``weights`` are its own as signs, ``padding`` is what ``merged_pads`` gave."""
    gain, constant = _gain(symbol), _constant(builder, linear, symbol, padding)
    shape = (linear.filters,) if linear.dense else builder.shape(node, node.output)[1:]
    signs, plain = weights.signs, not weights.centre.any() and _per_channel(constant)
    if not plain:
        if linear.groups > 1:
            raise builder.unsupported(node, "it is grouped and its two values are not opposite", "centre the weights")
        signs = np.concatenate([signs, np.ones((1, *signs.shape[1:]), np.int8)])
    integers = _integers(builder, node, linear, symbol, signs, padding)
    if not plain:
        _two_centres(builder, node, integers, shape, gain * weights.scale, gain * weights.centre, constant)
        return
    scale = (gain * weights.scale).reshape(_column(shape))
    shift = _uniform(constant)
    builder.give(node, Affine, shape, inputs=(integers,), scale=scale, shift=shift if shift.any() else None)


def nearly_binary(
    builder: Builder,
    node: Node,
    linear: Linear,
    symbol: TwoValued,
    weights: two_valued.TwoValued,
    padding: tuple[Pads, int],
) -> None:
    """A few weights are 0: their filters are computed with +1 there and with -1, whose mean counts nothing."""
    zero = linear.weights == 0
    again = np.flatnonzero(zero.reshape(len(zero), -1).any(1))
    constant = _constant(builder, linear, symbol, padding)
    if not _per_channel(constant):
        raise builder.unsupported(node, "some weights are exactly 0 and its input is padded", "replace the zeros")
    shape = (linear.filters,) if linear.dense else builder.shape(node, node.output)[1:]
    other = np.where(zero, -1, weights.signs).astype(np.int8)[again]
    signs = np.concatenate([weights.signs, other])
    integers = _integers(builder, node, linear, symbol, signs, padding)
    places = np.arange(linear.filters)
    second = places.copy()
    second[again] = linear.filters + np.arange(len(again))
    halves = tuple(_channels(builder, node, integers, chosen, shape) for chosen in (places, second))
    both = Combine(name=node.name, inputs=halves, output=builder.fresh(integers), kind="add")
    scale = (_gain(symbol) * weights.scale / 2).reshape(_column(shape))
    shift = _uniform(constant)
    inputs = (builder.emit(both, shape),)
    builder.give(node, Affine, shape, inputs=inputs, scale=scale, shift=shift if shift.any() else None)
    builder.network.notes.append(
        f"{node}: {int(zero.sum())} of its {zero.size} weights are exactly 0 (torch.sign(0) is 0); "
        f"{len(again)} filters are computed twice, so that they count nothing"
    )


def _channels(builder: Builder, node: Node, value: str, chosen: Any, shape: Shape) -> str:
    indices = tuple(int(i) for i in chosen)
    layer = TakeChannels(name=node.name, inputs=(value,), output=builder.fresh(value), indices=indices)
    return builder.emit(layer, (len(indices), *shape[1:]))


def _column(shape: Shape) -> tuple[int, ...]:
    return (-1,) + (1,) * (len(shape) - 1)


def _gain(symbol: TwoValued) -> float:
    """The factor of the sign that the hardware takes, see ``Builder.hardware_sign``."""
    return symbol.gain if symbol.at_zero >= 0 else -symbol.gain


def _integers(
    builder: Builder,
    node: Node,
    linear: Linear,
    symbol: TwoValued,
    signs: np.ndarray[Any, np.dtype[np.int8]],
    padding: tuple[Pads, int],
) -> str:
    """The binary layer itself; filters beyond the file's are added ones."""
    source, _ = builder.hardware_sign(node, symbol)
    pads, pad_value = padding
    layer = BinaryConv(
        name=node.name,
        inputs=(source,),
        output=builder.fresh(node.output),
        weights=signs,
        strides=linear.strides,
        dilations=linear.dilations,
        pads=pads,
        pad_value=pad_value if symbol.at_zero >= 0 else -pad_value,
        groups=linear.groups,
        dense=linear.dense,
        added=len(signs) - linear.filters,
        exact_at_zero=symbol.at_zero != 0,
    )
    size = () if linear.dense else builder.shape(node, node.output)[2:]
    return builder.emit(layer, (len(signs), *size))


def _constant(builder: Builder, linear: Linear, symbol: TwoValued, padding: tuple[Pads, int]) -> Doubles:
    """``o * conv(1, weights) + bias``, zero at taps of zero padding: (filters, 1, 1), (filters, H, W) or (filters,)."""
    values = linear.weights.astype(np.float64)
    bias = np.zeros(linear.filters) if linear.bias is None else linear.bias.reshape(-1)
    whole = symbol.offset * values.sum((1, 2, 3)) + bias
    if linear.dense:
        return np.asarray(whole)
    if not symbol.offset or padding[0] == NO_PADS or padding[1]:
        return np.asarray(whole[:, None, None])
    height, width = builder.network.shapes[symbol.source][1:]
    inside = np.pad(np.ones((height, width)), padding[0])
    rows, columns = (1 + (k - 1) * d for k, d in zip(values.shape[2:], linear.dilations, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(inside, (rows, columns))
    taps = windows[:: linear.strides[0], :: linear.strides[1], :: linear.dilations[0], :: linear.dilations[1]]
    return np.asarray(symbol.offset * np.einsum("hwij,oij->ohw", taps, values.sum(1)) + bias[:, None, None])


def _per_channel(constant: Doubles) -> bool:
    return constant.ndim == 1 or bool((constant == constant[:, :1, :1]).all())


def _uniform(constant: Doubles) -> Doubles:
    return constant if constant.ndim == 1 or not _per_channel(constant) else constant[:, :1, :1]


def _two_centres(
    builder: Builder, node: Node, integers: str, shape: Shape, scale: Doubles, centre: Doubles, constant: Doubles
) -> None:
    """``scale * I + centre * T + constant``, I all filters but the last, T the last.

    The constant is added to the sum of two tensors: directly behind the convolution LCE would fold a map of
    constants into the bias per channel, which converts without a word and cannot be loaded.
    """
    filters, tail = shape[0], shape[1:]
    own = _channels(builder, node, integers, range(filters), shape)
    scaled = builder.emit(
        Affine(name=node.name, inputs=(own,), output=builder.fresh(integers), scale=scale.reshape(_column(shape))),
        shape,
    )
    weights = centre.astype(np.float32)
    total, output = (_channels(builder, node, integers, (filters,), shape),), builder.fresh(integers)
    spread = (
        Conv(name=node.name, inputs=total, output=output, weights=weights[:, None, None, None], added=True)
        if tail
        else Dense(name=node.name, inputs=total, output=output, weights=weights[:, None], added=True)
    )
    both = (scaled, builder.emit(spread, shape))
    if not constant.any():
        builder.give(node, Combine, shape, inputs=both, kind="add")
        return
    name = builder.emit(Combine(name=node.name, inputs=both, output=builder.fresh(integers), kind="add"), shape)
    builder.emit(Affine(name=node.name, inputs=(name,), output=node.output, shift=_uniform(constant)), shape)
    builder.symbols[node.output] = Real(node.output)
