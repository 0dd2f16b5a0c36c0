"""What is binary in a Keras layer: its +-1 weights, its scale per filter, and, where it is not binary, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.layers.framework import lq, tf
from repbnn_edge.layers.rep_conv import RepConv2D
from repbnn_edge.layers.rep_dense import RepDense

Pads = tuple[tuple[int, int], tuple[int, int]]

_RELATIVE_TOLERANCE = 1e-6
_WITHOUT_LCE_FORM = (
    tf.keras.layers.Conv2DTranspose,
    tf.keras.layers.DepthwiseConv2D,
    tf.keras.layers.SeparableConv2D,
)


@dataclass(frozen=True, eq=False)
class BinaryView:
    """A binary convolution or dense layer, as mathematics.

    The layer's output is ``activation(tile(scale * integer, output_repeats) + bias)``, where ``integer`` is the sum of
    +-1 weights times +-1 inputs (tiled ``input_repeats`` times), padding taps counted as ``pad_value``.

    Attributes:
        name: the Keras layer's name.
        kind: ``conv2d`` or ``dense``.
        weights: int8 in {-1, +1}, (rows, columns, C_in / groups, kernels); a dense layer is (1, 1, C_in, units).
        scale: float32 (kernels,); above 0 where it is the magnitude of the quantised weights, any sign where a
            learnable factor per filter is part of it.
        strides: (rows, columns).
        dilations: (rows, columns).
        padding: "same", "valid", or explicit ((top, bottom), (left, right)).
        pad_value: 0, +1 or -1.
        groups: convolution groups.
        quantizes_input: whether the layer takes the sign of its input itself; if not, its input must be binary already.
        input_repeats: how often the input is tiled along channels before the kernels read it.
        output_repeats: how often the result is tiled along channels before bias and activation.
        bias: float32, as wide as the layer's output, or None.
        activation: the Keras activation, or None where it is linear.
    """

    name: str
    kind: Literal["conv2d", "dense"]
    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    padding: Literal["same", "valid"] | Pads
    pad_value: float
    groups: int
    quantizes_input: bool
    input_repeats: int
    output_repeats: int
    bias: NDArray[np.float32] | None
    activation: Any


def binary_view(layer: Any) -> BinaryView | None:
    """The binary form of a convolution or dense layer; None where ``why_not_binary`` has a reason.

    Serves larq's QuantConv2D and QuantDense, RepConv2D and RepDense, plain Conv2D and Dense whose weights are
    two-valued, and subclasses. A layer without an input quantiser is judged by its weights alone: whether its input is
    binary is for the caller to see.
    """
    kernel, reason = _examine(layer)
    return None if reason or kernel is None else _view(layer, kernel)


def why_not_binary(layer: Any) -> str | None:
    """Why a layer cannot be an LCE binary convolution: a clause that fits behind "layer NAME:"; None where it can."""
    return _examine(layer)[1]


def why_not_sign(function: Any, channels: int, *, spatial: bool = True) -> str | None:
    """Why a quantiser or activation is not the sign with sign(0) = +1; None where it is. It is asked with values.

    Args:
        function: a Keras layer or a callable on float32 tensors of (1, 4, 4, channels), or (1, channels).
        channels: the width of the map that it reads.
        spatial: whether that map has height and width.
    """
    shape = (1, 4, 4, channels) if spatial else (1, channels)
    x = np.random.default_rng(0).uniform(-2.0, 2.0, shape).astype(np.float32)
    x.flat[0] = 0.0
    got = np.asarray(function(tf.constant(x)))
    if got.shape == x.shape and np.array_equal(got, np.where(x < 0, -1.0, 1.0)):
        return None
    values = np.unique(got)
    if not np.isfinite(got).all():
        return "its input quantiser gives values that are not finite"
    if len(values) == 2 and values[0] == 0:
        return "its input is unsigned (0 and 1): LCE needs -1 and +1"
    if np.array_equal(values, [-1, 0, 1]):
        return "its input quantiser gives 0 besides -1 and +1"
    if len(values) <= 2:
        return f"its input quantiser gives {_listed(values)}, which is not the sign with sign(0) = +1"
    if len(values) <= 16:
        return f"its input has {len(values)} values, more than one bit"
    return "its input quantiser gives real numbers"


def claims_binary(layer: Any) -> bool:
    """Whether a layer is meant to be binary: it quantises its kernel, and not with larq's NoOp."""
    quantizer = getattr(layer, "kernel_quantizer", None)
    return quantizer is not None and not isinstance(quantizer, lq.quantizers.NoOp)


def _examine(layer: Any) -> tuple[NDArray[np.float32] | None, str | None]:
    """The quantised kernel, as far as it came to that, and the first reason against the layer."""
    kind = _kind(layer)
    if kind is None:
        return None, "it is no convolution or dense layer with a binary form in LCE"
    if not layer.built:
        return None, "it has no weights yet"
    if reason := _why_not_geometry(layer, kind):
        return None, reason
    kernel = _kernel(layer)
    return kernel, _why_not_weights(kernel) or _why_not_scale(layer) or _why_not_input(layer)


def _kind(layer: Any) -> Literal["conv2d", "dense"] | None:
    if isinstance(layer, _WITHOUT_LCE_FORM):
        return None
    if isinstance(layer, tf.keras.layers.Conv2D):
        return "conv2d"
    return "dense" if isinstance(layer, tf.keras.layers.Dense) else None


def _kernel(layer: Any) -> NDArray[np.float32]:
    """What the quantiser makes of the kernel, (rows, columns, C_in / groups, kernels), without learnable factors."""
    with lq.context.quantized_scope(True):
        kernel = np.asarray(tf.convert_to_tensor(layer.kernel), dtype=np.float32)
    return kernel.reshape((1, 1, *kernel.shape)) if kernel.ndim == 2 else kernel


def _why_not_geometry(layer: Any, kind: str) -> str | None:
    if kind == "dense":
        return None
    if layer.data_format != "channels_last":
        return "its maps are channels_first"
    pad_value = float(getattr(layer, "pad_values", 0.0))
    if layer.padding == "causal":
        return "its padding is causal"
    if _padding(layer) != "valid" and pad_value not in (0.0, 1.0, -1.0):
        return f"it pads with {pad_value:g}, which is neither 0 nor a binary value"
    return None


def _why_not_weights(kernel: NDArray[np.float32]) -> str | None:
    if not np.isfinite(kernel).all():
        return "its weights hold NaN or infinity"
    magnitude = np.abs(kernel).reshape(-1, kernel.shape[-1])
    low, high = magnitude.min(axis=0), magnitude.max(axis=0)
    with_zeros = int(np.count_nonzero(low == 0))
    if with_zeros and len(np.unique(kernel)) <= 16:
        return f"{with_zeros} of its {len(low)} filters hold zeros"
    if np.all(high - low <= _RELATIVE_TOLERANCE * high) and not with_zeros:
        return None
    per_channel = np.abs(kernel)
    if kernel.shape[2] > 1 and not np.any(np.ptp(per_channel, axis=(0, 1)) > _RELATIVE_TOLERANCE * per_channel.max()):
        return "its weights have a scale per input channel, and LCE has one per filter"
    levels = len(np.unique(kernel[..., 0]))
    if 2 < levels <= 16 and kernel[..., 0].size > 2 * levels:
        return f"its weights have {levels} values in a filter, more than one bit"
    return "its weights are real numbers"


def _why_not_scale(layer: Any) -> str | None:
    factor = getattr(layer, "filter_scale", None)
    if factor is not None and not np.isfinite(np.asarray(factor)).all():
        return "its scale per filter holds NaN or infinity"
    return None


def _why_not_input(layer: Any) -> str | None:
    quantizer = getattr(layer, "input_quantizer", None)
    if quantizer is None:
        return None
    return why_not_sign(quantizer, int(layer.input_spec.axes[-1]), spatial=_kind(layer) == "conv2d")


def _padding(layer: Any) -> Literal["same", "valid"] | Pads:
    pads: Pads | None = getattr(layer, "pads", None)
    return pads or layer.padding


def _view(layer: Any, kernel: NDArray[np.float32]) -> BinaryView:
    scale = np.abs(kernel).reshape(-1, kernel.shape[-1]).mean(axis=0, dtype=np.float64)
    factor = getattr(layer, "filter_scale", None)
    if factor is not None:
        scale = scale * np.asarray(factor, dtype=np.float64)
    convolution = _kind(layer) == "conv2d"
    repeating = isinstance(layer, RepConv2D | RepDense)
    activation = layer.activation
    return BinaryView(
        name=layer.name,
        kind="conv2d" if convolution else "dense",
        weights=np.int8(1) - np.int8(2) * (kernel < 0).view(np.int8),
        scale=scale.astype(np.float32),
        strides=tuple(layer.strides) if convolution else (1, 1),
        dilations=tuple(layer.dilation_rate) if convolution else (1, 1),
        padding=_padding(layer) if convolution else "valid",
        pad_value=float(getattr(layer, "pad_values", 0.0)),
        groups=int(layer.groups) if convolution else 1,
        quantizes_input=getattr(layer, "input_quantizer", None) is not None,
        input_repeats=layer.input_repeats if repeating else 1,
        output_repeats=layer.output_repeats if repeating else 1,
        bias=np.asarray(layer.bias, dtype=np.float32) if layer.use_bias else None,
        activation=None if activation is tf.keras.activations.linear else activation,
    )


def _listed(values: NDArray[Any]) -> str:
    return " and ".join(f"{value:g}" for value in values)
