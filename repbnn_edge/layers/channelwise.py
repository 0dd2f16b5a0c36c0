"""Layers that act on each channel by itself, and those that widen a map."""

from __future__ import annotations

from typing import Any

from repbnn_edge.errors import UsageError
from repbnn_edge.layers.framework import Layer, lq, serializable, tf
from repbnn_edge.layers.repeating import input_channels, tile_channels


class _PerChannel(Layer):
    """Base of layers whose weights are one number per channel of the last axis; the shape stays."""

    def _per_channel(self, name: str, shape: Any, initializer: Any) -> Any:
        return self.add_weight(name=name, shape=(input_channels(self.name, shape),), initializer=initializer)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tf.TensorShape(input_shape)


@serializable
class RepeatChannels(Layer):
    """Tiles the whole block of channels ``times`` times: (.., C) to (.., times * C), c0 c1 .. c0 c1 ..

    It is the repeat at the end of the stem of a Rep-BNN.

    Raises:
        UsageError: ``times`` is no whole number of at least 1.
    """

    def __init__(self, times: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise UsageError(self.name, f"times is {times}", "give a whole number of at least 1")
        self.times = times

    def call(self, inputs: Any) -> Any:
        return tile_channels(inputs, self.times)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tf.TensorShape(input_shape)
        return shape[:-1].concatenate(None if shape[-1] is None else shape[-1] * self.times)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "times": self.times}


@serializable
class PadChannels(Layer):
    """Adds channels of zeros before and after: the option-A shortcut. (.., C) to (.., before + C + after)."""

    def __init__(self, before: int, after: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if before < 0 or after < 0:
            raise UsageError(self.name, f"before is {before} and after is {after}", "give numbers of at least 0")
        self.before, self.after = before, after

    def call(self, inputs: Any) -> Any:
        return tf.pad(inputs, [[0, 0]] * (inputs.shape.rank - 1) + [[self.before, self.after]])

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tf.TensorShape(input_shape)
        width = None if shape[-1] is None else shape[-1] + self.before + self.after
        return shape[:-1].concatenate(width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "before": self.before, "after": self.after}


@serializable
class PadMap(Layer):
    """Surrounds a map (N, H, W, C) with a constant.

    Keras' ZeroPadding2D knows zero alone; a max pool whose padding must never win needs the lowest float (the default).

    Args:
        pads: ((top, bottom), (left, right)).
        value: the constant.
    """

    def __init__(self, pads: Any, value: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pads = tuple((int(before), int(after)) for before, after in pads)
        self.value = float(tf.float32.min if value is None else value)

    def call(self, inputs: Any) -> Any:
        return tf.pad(inputs, [[0, 0], *self.pads, [0, 0]], constant_values=self.value)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = tf.TensorShape(input_shape).as_list()
        sizes = [None if n is None else n + sum(pads) for n, pads in zip((height, width), self.pads, strict=True)]
        return tf.TensorShape([batch, *sizes, channels])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pads": self.pads, "value": self.value}


@serializable
class ChannelAffine(_PerChannel):
    """``scale * x + shift`` with learnable numbers per channel; each can be left out.

    Args:
        scale: an initialiser, or None for no scale.
        shift: an initialiser, or None for no shift.
    """

    def __init__(self, scale: Any = "ones", shift: Any = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale_initializer = None if scale is None else tf.keras.initializers.get(scale)
        self.shift_initializer = None if shift is None else tf.keras.initializers.get(shift)
        self.scale = self.shift = None

    def build(self, input_shape: Any) -> None:
        if self.scale_initializer is not None:
            self.scale = self._per_channel("scale", input_shape, self.scale_initializer)
        if self.shift_initializer is not None:
            self.shift = self._per_channel("shift", input_shape, self.shift_initializer)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        x = inputs if self.scale is None else inputs * self.scale
        return x if self.shift is None else x + self.shift

    def get_config(self) -> dict[str, Any]:
        def serialized(initializer: Any) -> Any:
            return None if initializer is None else tf.keras.initializers.serialize(initializer)

        return {
            **super().get_config(),
            "scale": serialized(self.scale_initializer),
            "shift": serialized(self.shift_initializer),
        }


@serializable
class ChannelShift(_PerChannel):
    """A learnable bias per channel, ``x + shift``: what ReActNet puts before each sign (its "move" layers).

    ``ChannelShift`` followed by a binary convolution with an input quantiser of its own is an RSign.
    """

    def __init__(self, initializer: Any = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initializer = tf.keras.initializers.get(initializer)

    def build(self, input_shape: Any) -> None:
        self.shift = self._per_channel("shift", input_shape, self.initializer)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return inputs + self.shift

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "initializer": tf.keras.initializers.serialize(self.initializer)}


@serializable
class RSign(_PerChannel):
    """ReActNet's sign with a learnable threshold per channel: sign(x + shift), +1 where the sum is 0.

    Source: Liu et al., ReActNet, ECCV 2020, eq. 4 (alpha there is -shift).

    Args:
        quantizer: the sign and its gradient: any of larq's or our one-bit quantisers.
    """

    precision = 1

    def __init__(self, quantizer: Any = "approx_sign", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.quantizer = lq.quantizers.get(quantizer)

    def build(self, input_shape: Any) -> None:
        self.shift = self._per_channel("shift", input_shape, "zeros")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return self.quantizer(inputs + self.shift)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "quantizer": lq.quantizers.serialize(self.quantizer)}


@serializable
class RPReLU(_PerChannel):
    """ReActNet's PReLU between two learnable shifts: PReLU(x + shift_in) + shift_out, all per channel.

    Source: Liu et al., ReActNet, ECCV 2020, eq. 5 (gamma there is -shift_in, zeta is shift_out).

    Args:
        slope: what the slope of the negative side starts at.
    """

    def __init__(self, slope: float = 0.25, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_slope = slope

    def build(self, input_shape: Any) -> None:
        self.shift_in = self._per_channel("shift_in", input_shape, "zeros")
        self.slope = self._per_channel("slope", input_shape, tf.keras.initializers.Constant(self.initial_slope))
        self.shift_out = self._per_channel("shift_out", input_shape, "zeros")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return prelu(inputs + self.shift_in, self.slope) + self.shift_out

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "slope": self.initial_slope}


def prelu(x: Any, slope: Any) -> Any:
    """PReLU in the one form that TFLite's converter recognises; it wants the slope at the rank of one sample."""
    slope = tf.reshape(slope, [1] * (x.shape.rank - 2) + [-1])
    return tf.nn.relu(x) + -slope * tf.nn.relu(-x)
