"""What RepConv2D and RepDense share: the repeat factor, the weights, the tiling."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any, Literal

from repbnn_edge.errors import UnsupportedError, UsageError
from repbnn_edge.layers.framework import lq, tf

Repeat = Literal["output", "input"]


def kernels_of(layer_name: str, filters: int, beta: int) -> int:
    """How many kernels a layer of ``filters`` original output channels has under the repeat factor ``beta``.

    Raises:
        UsageError: beta is no whole number of at least 1.
        UnsupportedError: beta does not divide filters.
    """
    if isinstance(beta, bool) or not isinstance(beta, int) or beta < 1:
        raise UsageError(layer_name, f"beta is {beta}", "give a whole number of at least 1")
    if filters % beta:
        raise UnsupportedError(
            layer_name, f"its {filters} filters cannot be divided by beta {beta}", "choose a beta that divides them"
        )
    return filters // beta


def tile_channels(x: Any, times: int) -> Any:
    """``times`` copies of the whole block along the last axis (c0 c1 .. c0 c1 ..), never interleaved."""
    return x if times == 1 else tf.concat([x] * times, axis=-1)


class Repeating:
    """Mixed into a larq layer with one kernel.

    The layer has ``width / beta`` kernels, ``width`` being the output width of the ORIGINAL layer. ``repeat="output"``
    tiles the result beta^2 times, ``repeat="input"`` the input beta times. Bias and activation come after the tiling,
    so each copy has a bias of its own.
    """

    name: str
    beta: int
    repeat: Repeat
    filter_scale: Any
    filter_scale_initializer: Any
    kernel: Any
    bias: Any

    def _set_repeat(self, beta: int, repeat: Repeat, filter_scale: Any) -> None:
        self.beta = beta
        self.repeat = repeat
        self.filter_scale_initializer = None if filter_scale is None else tf.keras.initializers.get(filter_scale)

    @property
    def _width(self) -> int:
        raise NotImplementedError

    @property
    def kernels(self) -> int:
        """How many kernels the layer holds: the original's output width / beta."""
        return self._width // self.beta

    @property
    def input_repeats(self) -> int:
        """How often the input is tiled before the kernels read it."""
        return self.beta if self.repeat == "input" else 1

    @property
    def output_repeats(self) -> int:
        """How often the result of the kernels is tiled."""
        return self.beta**2 if self.repeat == "output" else 1

    @property
    def output_channels(self) -> int:
        """The width of the layer's output."""
        return self.kernels * self.output_repeats

    def quantized_kernel(self) -> Any:
        """The kernel as its quantiser makes it, without ``filter_scale``; kernels along the last axis."""
        with lq.context.quantized_scope(True):
            return tf.convert_to_tensor(self.kernel)

    def _add_weights(self, kernel_shape: tuple[int, ...]) -> None:
        layer: Any = self
        self.kernel = layer.add_weight(
            name="kernel",
            shape=kernel_shape,
            initializer=layer.kernel_initializer,
            regularizer=layer.kernel_regularizer,
            constraint=layer.kernel_constraint,
        )
        self.filter_scale = self.bias = None
        if self.filter_scale_initializer is not None:
            self.filter_scale = layer.add_weight(
                name="filter_scale", shape=(self.kernels,), initializer=self.filter_scale_initializer
            )
        if layer.use_bias:
            self.bias = layer.add_weight(
                name="bias",
                shape=(self.output_channels,),
                initializer=layer.bias_initializer,
                regularizer=layer.bias_regularizer,
                constraint=layer.bias_constraint,
            )

    def _scaled_kernel(self) -> Any:
        kernel = self.quantized_kernel()
        return kernel if self.filter_scale is None else kernel * self.filter_scale

    def _finish(self, x: Any) -> Any:
        layer: Any = self
        x = tile_channels(x, self.output_repeats)
        if self.bias is not None:
            x = tf.nn.bias_add(x, self.bias)
        return x if layer.activation is None else layer.activation(x)

    def _repeat_config(self) -> dict[str, Any]:
        scale = self.filter_scale_initializer
        return {
            "beta": self.beta,
            "repeat": self.repeat,
            "filter_scale": None if scale is None else tf.keras.initializers.serialize(scale),
        }


def check_arguments(layer_name: str, width: int, beta: int, repeat: str) -> int:
    """Check what both layers take, and return the number of kernels.

    Raises:
        UsageError: repeat or beta is outside its range.
        UnsupportedError: beta does not divide the width.
    """
    if repeat not in ("output", "input"):
        raise UsageError(layer_name, f"repeat is {repeat!r}", "give 'output' or 'input'")
    return kernels_of(layer_name, width, beta)


def input_channels(layer_name: str, input_shape: Any) -> int:
    """The last dimension of an input shape.

    Raises:
        UnsupportedError: it is not known when the layer is built.
    """
    channels = tf.TensorShape(input_shape)[-1]
    if channels is None:
        raise UnsupportedError(layer_name, "the width of its input is unknown", "give the input shape")
    return int(channels)


@contextlib.contextmanager
def without_starving_hint(kernel_quantizer: Any) -> Iterator[None]:
    """Larq warns of starved weights when there is no weight clip; our quantisers' gradients cannot starve any."""
    logger = logging.getLogger("larq.layers_base")
    level = logger.level
    if type(kernel_quantizer).__module__.startswith("repbnn_edge."):
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
