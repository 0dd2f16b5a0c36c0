"""RepDense: the dense form of RepConv."""

from __future__ import annotations

from typing import Any

from repbnn_edge.layers.framework import QuantDense, serializable, tf
from repbnn_edge.layers.repeating import (
    Repeat,
    Repeating,
    check_arguments,
    input_channels,
    tile_channels,
    without_starving_hint,
)


@serializable
class RepDense(Repeating, QuantDense):
    """A (binary) dense layer with the repeat of Rep-BNN; beta = 1 is larq's QuantDense.

    ``units`` is the output width of the ORIGINAL layer; the layer has units / beta columns and tiles its output beta^2
    times (``repeat="output"``, beta * units outputs) or its input beta times (``repeat="input"``, units / beta
    outputs). Bias and activation come after the tiling.

    Args:
        units: output width of the original layer; beta must divide it.
        beta: the repeat factor.
        repeat: which side is tiled.
        filter_scale: an initialiser: one learnable factor per column; None: none.
        use_bias: whether there is a bias; off by default.
        **kwargs: all others as larq's QuantDense.

    Shapes: (.., C) float32 to (.., beta * units), or (.., units / beta) for ``repeat="input"``.

    Raises:
        UsageError: an argument is outside its range.
        UnsupportedError: beta does not divide units; names the layer.
    """

    def __init__(
        self,
        units: int,
        beta: int = 1,
        repeat: Repeat = "output",
        filter_scale: Any = None,
        use_bias: bool = False,
        **kwargs: Any,
    ) -> None:
        check_arguments(kwargs.get("name") or type(self).__name__, units, beta, repeat)
        with without_starving_hint(kwargs.get("kernel_quantizer")):
            super().__init__(units, use_bias=use_bias, **kwargs)
        self._set_repeat(beta, repeat, filter_scale)

    @property
    def _width(self) -> int:
        return int(self.units)

    def build(self, input_shape: Any) -> None:
        channels = input_channels(self.name, input_shape)
        self._add_weights((channels * self.input_repeats, self.kernels))
        self.input_spec = tf.keras.layers.InputSpec(min_ndim=2, axes={-1: channels})
        self.built = True

    def call(self, inputs: Any) -> Any:
        x = inputs if self.input_quantizer is None else self.input_quantizer(inputs)
        return self._finish(tf.matmul(tile_channels(x, self.input_repeats), self._scaled_kernel()))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tf.TensorShape(input_shape)[:-1].concatenate(self.output_channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._repeat_config()}
