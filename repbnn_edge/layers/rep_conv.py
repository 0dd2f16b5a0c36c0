"""RepConv: a convolution on maps that are beta times as wide, with the weights and MACs of the narrow one."""

from __future__ import annotations

from typing import Any

from repbnn_edge.errors import UnsupportedError, UsageError
from repbnn_edge.layers.framework import QuantConv2D, serializable, tf
from repbnn_edge.layers.repeating import (
    Repeat,
    Repeating,
    check_arguments,
    input_channels,
    tile_channels,
    without_starving_hint,
)

Pads = tuple[tuple[int, int], tuple[int, int]]


@serializable
class RepConv2D(Repeating, QuantConv2D):
    """A (binary) 2-D convolution with the repeat of Rep-BNN; beta = 1 is larq's QuantConv2D.

    ``filters`` is the output width C_out of the ORIGINAL layer. The layer has C_out / beta kernels, so on an input of
    beta * C_in channels its weights and MACs are those of the original.

    - ``repeat="output"``: the result is tiled beta^2 times, giving beta * C_out channels.
    - ``repeat="input"``: the input is tiled beta times (for a map that is not widened yet), giving C_out / beta
      channels.

    Bias and activation come after the tiling: each copy has a bias of its own.
    Source: Shi et al., RepBNN, arXiv 2207.09049.

    Args:
        filters: C_out of the original layer.
        kernel_size: an int or (rows, columns).
        beta: the repeat factor; must divide ``filters``.
        repeat: which side is tiled.
        strides: an int or (rows, columns).
        padding: "same", "valid", or explicit ((top, bottom), (left, right)).
        pad_values: what "same" and explicit padding put around the map that the kernel reads, that is AFTER the input
            quantiser: 0, 1 or -1 for a binary map.
        filter_scale: an initialiser: one learnable factor per kernel, multiplied into the quantised kernel; None: none.
        use_bias: whether there is a bias; unlike Keras, off by default (a batch norm follows).
        **kwargs: all others as larq's QuantConv2D (quantisers, initialisers, regularisers, constraints, groups,
            dilation_rate, activation).

    Shapes: (N, H, W, C) float32 to (N, H', W', beta * C_out) or, for ``repeat="input"``, (N, H', W', C_out / beta).

    Raises:
        UsageError: an argument is outside its range.
        UnsupportedError: beta does not divide filters; names the layer.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        beta: int = 1,
        repeat: Repeat = "output",
        strides: int | tuple[int, int] = (1, 1),
        padding: str | Pads = "same",
        pad_values: float = 0.0,
        filter_scale: Any = None,
        use_bias: bool = False,
        **kwargs: Any,
    ) -> None:
        name = kwargs.get("name") or type(self).__name__
        kernels = check_arguments(name, filters, beta, repeat)
        if kwargs.get("data_format") not in (None, "channels_last"):
            raise UsageError(name, f"data_format is {kwargs['data_format']!r}", "use channels_last")
        groups = kwargs.get("groups") or 1
        if kernels % groups:
            raise UnsupportedError(
                name, f"its {kernels} kernels cannot be divided by {groups} groups", "choose another beta or groups"
            )
        pads = _explicit_pads(name, padding)
        with without_starving_hint(kwargs.get("kernel_quantizer")):
            super().__init__(
                filters,
                kernel_size,
                strides=strides,
                padding="valid" if pads else padding,
                pad_values=pad_values,
                use_bias=use_bias,
                **kwargs,
            )
        self._set_repeat(beta, repeat, filter_scale)
        self.pads = pads

    @property
    def _width(self) -> int:
        return int(self.filters)

    def build(self, input_shape: Any) -> None:
        channels = input_channels(self.name, input_shape)
        read = channels * self.input_repeats
        if read % self.groups:
            raise UnsupportedError(
                self.name, f"its {read} input channels cannot be divided by {self.groups} groups", "choose other groups"
            )
        self._add_weights((*self.kernel_size, read // self.groups, self.kernels))
        self.input_spec = tf.keras.layers.InputSpec(ndim=4, axes={-1: channels})
        self.built = True

    def call(self, inputs: Any) -> Any:
        x = inputs if self.input_quantizer is None else self.input_quantizer(inputs)
        x = tf.nn.convolution(
            self._pad(tile_channels(x, self.input_repeats)),
            self._scaled_kernel(),
            strides=list(self.strides),
            padding="SAME" if self.padding == "same" and self._is_native_padding else "VALID",
            dilations=list(self.dilation_rate),
            name=type(self).__name__,
        )
        return self._finish(x)

    def _pad(self, x: Any) -> Any:
        if self.pads:
            return tf.pad(x, [[0, 0], *self.pads, [0, 0]], constant_values=self.pad_values)
        if self._is_native_padding:
            return x
        return tf.pad(x, self._get_padding_same(x), constant_values=self.pad_values)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *spatial, _ = tf.TensorShape(input_shape).as_list()
        return tf.TensorShape(
            [batch, *(self._output_size(axis, size) for axis, size in enumerate(spatial)), self.output_channels]
        )

    def _output_size(self, axis: int, size: int | None) -> int | None:
        if size is None:
            return None
        stride = self.strides[axis]
        if self.padding == "same":
            return -(-size // stride)
        padded = size + sum(self.pads[axis]) if self.pads else size
        return (padded - (self.kernel_size[axis] - 1) * self.dilation_rate[axis] - 1) // stride + 1

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **self._repeat_config()}
        if self.pads:
            config["padding"] = self.pads
        return config


def _explicit_pads(layer_name: str, padding: Any) -> Pads | None:
    """The four numbers of an explicit padding (lists, as a file gives them, are welcome); None for a named one."""
    if isinstance(padding, str):
        if padding.lower() not in ("same", "valid"):
            raise UsageError(layer_name, f"padding is {padding!r}", "give 'same', 'valid' or ((t, b), (l, r))")
        return None
    try:
        (top, bottom), (left, right) = padding
        pads = ((int(top), int(bottom)), (int(left), int(right)))
    except (TypeError, ValueError) as error:
        raise UsageError(layer_name, f"padding is {padding!r}", "give ((top, bottom), (left, right))") from error
    if min(*pads[0], *pads[1]) < 0:
        raise UsageError(layer_name, f"padding is {padding!r}", "give numbers of at least 0")
    return pads
