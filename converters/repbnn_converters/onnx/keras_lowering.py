"""From our IR to a Keras network a person can read and train: NHWC, batch size 1, Larq's and our own layers.

Binary layers become ``RepConv2D`` with explicit padding and +-1 weights; how LCE has to be told that padding is the
core's business. A repeat directly behind a scaled binary convolution is the layer's own repeat: the network is then
a Rep-BNN as the built-in ones are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import singledispatchmethod
from typing import Any

import numpy as np

from repbnn_converters.onnx import foreign, keras_sizes
from repbnn_converters.onnx import network as ir
from repbnn_edge import stack
from repbnn_edge.errors import UnsupportedError


def to_keras(network: ir.Network, name: str) -> tuple[Any, dict[str, str]]:
    """Build the model; also gives the Keras layer's name of each binary layer, by the value that it makes."""
    lowering = _Lowering(network)
    return lowering.model(name), lowering.names


class _Lowering:
    """Keras tensors by value name, and the layers made so far."""

    def __init__(self, network: ir.Network) -> None:
        from repbnn_edge import layers

        self.network = network
        self.tf = stack.tensorflow()
        self.keras = self.tf.keras.layers
        self.ours = layers
        self.names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._weights: list[tuple[Any, list[Any]]] = []
        self._uses = network.uses()
        self._readers = {name: layer for layer in network.layers for name in layer.inputs}
        self._absorbed: set[str] = set()
        shape = network.shapes[network.input]
        inputs = self.keras.Input(self._channels_last(shape), batch_size=1, name="input")
        self.tensors = {network.input: inputs}

    def model(self, name: str) -> Any:
        """The functional model."""
        for layer in self.network.layers:
            if layer.output not in self._absorbed:
                self.tensors[layer.output] = self.lower(layer)
        inputs = self.tensors[self.network.input]
        model = self.tf.keras.Model(inputs, self.tensors[self.network.output], name=_keras_name(name))
        for layer, values in self._weights:
            layer.set_weights(values)
        return model

    @staticmethod
    def _channels_last(shape: ir.Shape) -> tuple[int, ...]:
        return (*shape[1:], shape[0]) if len(shape) == 3 else shape

    def _name(self, layer: ir.Layer, suffix: str = "") -> str:
        """A Keras name for what an ONNX node became; a second layer of the same node gets a number."""
        base = _keras_name(layer.name) + suffix
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name

    def _make(self, made: Any, inputs: Any, weights: list[Any] | None = None) -> Any:
        """Call a Keras layer; its weights are set when the model is whole."""
        result = made(inputs)
        if weights is not None:
            self._weights.append((made, [np.asarray(w, np.float32) for w in weights]))
        return result

    def _input(self, layer: ir.Layer, index: int = 0) -> Any:
        return self.tensors[layer.inputs[index]]

    @singledispatchmethod
    def lower(self, layer: ir.Layer) -> Any:
        """The tensor that a layer of the IR makes."""
        raise UnsupportedError(f"node '{layer.name}'", f"{type(layer).__name__} has no Keras form", "export without it")

    @lower.register
    def _(self, layer: ir.BinaryConv) -> Any:
        scale, times, last = self._scale_and_repeat(layer)
        beta = math.isqrt(times)
        common: dict[str, Any] = {
            "beta": beta,
            "input_quantizer": "ste_sign",
            "kernel_quantizer": "ste_sign",
            "kernel_constraint": "weight_clip",
            "filter_scale": None if scale is None else "ones",
            "name": self._name(layer),
        }
        filters, _, rows, columns = layer.weights.shape
        if layer.dense:
            made = self.ours.RepDense(filters * beta, **common)
            kernel = layer.weights[:, :, 0, 0].T
        else:
            made = self.ours.RepConv2D(
                filters * beta,
                (rows, columns),
                strides=layer.strides,
                dilation_rate=layer.dilations,
                groups=layer.groups,
                padding=layer.pads if layer.pads != ir.NO_PADS else "valid",
                pad_values=float(layer.pad_value),
                **common,
            )
            kernel = layer.weights.transpose(2, 3, 1, 0)
        self.names[layer.output] = made.name
        y = self._make(made, self._input(layer), [kernel] if scale is None else [kernel, scale])
        self.tensors[last] = y
        return y

    def _scale_and_repeat(self, layer: ir.BinaryConv) -> tuple[Any, int, str]:
        """The scale and the repeat that the layer itself can do, how often, and the value that it then gives."""
        scale = self._only_reader(layer.output)
        if not isinstance(scale, ir.Affine) or scale.scale is None or scale.shift is not None:
            return None, 1, layer.output
        if scale.scale.size not in (1, len(layer.weights)) or scale.scale.shape[1:] not in ((), (1, 1)):
            return None, 1, layer.output
        factors = np.broadcast_to(scale.scale.reshape(-1), (len(layer.weights),))
        self._absorbed.add(scale.output)
        repeat = self._only_reader(scale.output)
        if isinstance(repeat, ir.Repeat) and math.isqrt(repeat.times) ** 2 == repeat.times:
            self._absorbed.add(repeat.output)
            return factors, repeat.times, repeat.output
        return factors, 1, scale.output

    def _only_reader(self, value: str) -> ir.Layer | None:
        return self._readers.get(value) if self._uses[value] == 1 else None

    @lower.register
    def _(self, layer: ir.Conv) -> Any:
        x = self._input(layer)
        if layer.pads != ir.NO_PADS:
            x = self.keras.ZeroPadding2D(layer.pads, name=self._name(layer, ".pad"))(x)
        channels = x.shape[-1]
        if layer.groups == 1:
            return self._convolution(layer, x, layer.weights, layer.bias)
        if layer.groups == channels and layer.strides[0] == layer.strides[1]:
            return self._depthwise(layer, x)
        parts = self.tf.split(x, layer.groups, axis=-1)
        weights = np.split(layer.weights, layer.groups)
        bias = [None] * layer.groups if layer.bias is None else np.split(layer.bias, layer.groups)
        pieces = [self._convolution(layer, *part) for part in zip(parts, weights, bias, strict=True)]
        return self.keras.Concatenate(name=self._name(layer, ".concat"))(pieces)

    def _convolution(self, layer: ir.Conv, x: Any, weights: Any, bias: Any) -> Any:
        made = self.keras.Conv2D(
            len(weights),
            weights.shape[2:],
            strides=layer.strides,
            dilation_rate=layer.dilations,
            use_bias=bias is not None,
            name=self._name(layer),
        )
        kernel = weights.transpose(2, 3, 1, 0)
        return self._make(made, x, [kernel] if bias is None else [kernel, bias])

    def _depthwise(self, layer: ir.Conv, x: Any) -> Any:
        multiplier = len(layer.weights) // layer.groups
        made = self.keras.DepthwiseConv2D(
            layer.weights.shape[2:],
            strides=layer.strides,
            dilation_rate=layer.dilations,
            depth_multiplier=multiplier,
            use_bias=layer.bias is not None,
            name=self._name(layer),
        )
        kernel = layer.weights.reshape(layer.groups, multiplier, *layer.weights.shape[2:]).transpose(2, 3, 0, 1)
        return self._make(made, x, [kernel] if layer.bias is None else [kernel, layer.bias])

    @lower.register
    def _(self, layer: ir.Dense) -> Any:
        made = self.keras.Dense(len(layer.weights), use_bias=layer.bias is not None, name=self._name(layer))
        weights = [layer.weights.T] if layer.bias is None else [layer.weights.T, layer.bias]
        return self._make(made, self._input(layer), weights)

    @lower.register
    def _(self, layer: ir.Affine) -> Any:
        shape = self.network.shapes[layer.input]
        parts = [part for part in (layer.scale, layer.shift) if part is not None]
        per_channel = all(part.size == 1 or part.size == part.shape[0] for part in parts)
        given = {"scale": layer.scale, "shift": layer.shift}
        initial = {key: None if part is None else "zeros" for key, part in given.items()}
        if per_channel:
            made = self.ours.ChannelAffine(**initial, name=self._name(layer))
            values = [np.broadcast_to(part.reshape(-1), (shape[0],)) for part in parts]
            return self._make(made, self._input(layer), values)
        made = self.ours.MapAffine(**initial, name=self._name(layer))
        maps = [np.broadcast_to(part, shape) for part in parts]
        return self._make(made, self._input(layer), [m.transpose(1, 2, 0) if m.ndim == 3 else m for m in maps])

    @lower.register
    def _(self, layer: ir.Sign) -> Any:
        return stack.larq().quantizers.SteSign(name=self._name(layer))(self._input(layer))

    @lower.register
    def _(self, layer: ir.Combine) -> Any:
        left, right = self._input(layer, 0), self._input(layer, 1)
        if layer.kind == "divide":
            return self.tf.divide(left, right)
        kinds = {
            "add": self.keras.Add,
            "subtract": self.keras.Subtract,
            "multiply": self.keras.Multiply,
            "maximum": self.keras.Maximum,
            "minimum": self.keras.Minimum,
        }
        return kinds[layer.kind](name=self._name(layer))([left, right])

    @lower.register
    def _(self, layer: ir.Function) -> Any:
        x = self._input(layer)
        if layer.kind == "relu":
            return self.keras.ReLU(name=self._name(layer))(x)
        if layer.kind == "leaky_relu":
            return self.keras.LeakyReLU(layer.alpha, name=self._name(layer))(x)
        if layer.kind == "elu":
            return self.keras.ELU(layer.alpha, name=self._name(layer))(x)
        operations: dict[str, Callable[[Any], Any]] = {
            "sqrt": self.tf.sqrt,
            "abs": self.tf.abs,
            "erf": self.tf.math.erf,
            "log_softmax": self.tf.nn.log_softmax,
            "log": self.tf.math.log,
            "sin": self.tf.sin,
            "cos": self.tf.cos,
            "reciprocal": self.tf.math.reciprocal,
            "power": lambda base: self.tf.pow(base, layer.alpha),
        }
        if layer.kind in operations:
            return operations[layer.kind](x)
        name = {"exp": "exponential"}.get(layer.kind, layer.kind)
        return self.keras.Activation(name, name=self._name(layer))(x)

    @lower.register
    def _(self, layer: ir.Clip) -> Any:
        x = self._input(layer)
        if layer.low == 0:
            ceiling = None if math.isinf(layer.high) else layer.high
            return self.keras.ReLU(max_value=ceiling, name=self._name(layer))(x)
        if (layer.low, layer.high) == (-1.0, 1.0):
            stack.larq()
            return self.keras.Activation("hard_tanh", name=self._name(layer))(x)
        if math.isinf(layer.high):
            return self.tf.maximum(x, layer.low)
        if math.isinf(layer.low):
            return self.tf.minimum(x, layer.high)
        return self.tf.clip_by_value(x, layer.low, layer.high)

    @lower.register
    def _(self, layer: ir.PRelu) -> Any:
        x = self._input(layer)
        made = self.keras.PReLU(shared_axes=[1, 2] if len(x.shape) == 4 else None, name=self._name(layer))
        slope = layer.slope.reshape((1, 1, -1)) if len(x.shape) == 4 else layer.slope
        return self._make(made, x, [slope])

    @lower.register
    def _(self, layer: ir.Pool) -> Any:
        x = self._input(layer)
        if layer.pads != ir.NO_PADS:
            x = self._padded(layer, x, layer.pads, -np.inf if layer.kind == "max" else 0.0)
        pooling = self.keras.MaxPooling2D if layer.kind == "max" else self.keras.AveragePooling2D
        x = pooling(layer.size, layer.strides, name=self._name(layer))(x)
        if layer.correction is None:
            return x
        made = self.ours.MapAffine(shift=None, name=self._name(layer, ".count"))
        shape = self.network.shapes[layer.output]
        return self._make(made, x, [np.broadcast_to(layer.correction, shape).transpose(1, 2, 0)])

    def _padded(self, layer: ir.Layer, x: Any, pads: ir.Pads, value: float) -> Any:
        if value == 0:
            return self.keras.ZeroPadding2D(pads, name=self._name(layer, ".pad"))(x)
        # -inf would be right for a maximum, but is no number in a saved configuration: None is the lowest float.
        made = self.ours.PadMap(pads, None if math.isinf(value) else value, name=self._name(layer, ".pad"))
        return made(x)

    @lower.register
    def _(self, layer: ir.GlobalPool) -> Any:
        kinds = {"max": self.keras.GlobalMaxPooling2D, "average": self.keras.GlobalAveragePooling2D}
        return kinds[layer.kind](keepdims=layer.keep, name=self._name(layer))(self._input(layer))

    @lower.register
    def _(self, layer: ir.Reduce) -> Any:
        kinds = {
            "mean": self.tf.reduce_mean,
            "sum": self.tf.reduce_sum,
            "max": self.tf.reduce_max,
            "min": self.tf.reduce_min,
        }
        x = self._input(layer)
        # One axis after the other: TFLite adds up one by one, and a sum of 800,000 loses four digits that way.
        for axis in layer.axes[::-1]:
            x = kinds[layer.kind](x, axis={0: 3, 1: 1, 2: 2}[axis] if len(x.shape) == 4 else 1, keepdims=True)
        return x

    @lower.register
    def _(self, layer: ir.Repeat) -> Any:
        return self.ours.RepeatChannels(layer.times, name=self._name(layer))(self._input(layer))

    @lower.register
    def _(self, layer: ir.TakeChannels) -> Any:
        x, indices = self._input(layer), layer.indices
        first, step = indices[0], (indices[1] - indices[0] if len(indices) > 1 else 1)
        if step > 0 and indices == tuple(range(first, first + step * len(indices), step)):
            return x[..., first : indices[-1] + 1 : step]
        groups = _shuffle_groups(indices, x.shape[-1])
        if groups and len(x.shape) == 4:
            return self._shuffled(x, groups)
        return self.tf.gather(x, list(indices), axis=-1)

    def _shuffled(self, x: Any, groups: int) -> Any:
        _, height, width, channels = x.shape
        x = self.tf.reshape(x, [-1, height, width, groups, channels // groups])
        x = self.tf.transpose(x, [0, 1, 2, 4, 3])
        return self.tf.reshape(x, [-1, height, width, channels])

    @lower.register
    def _(self, layer: ir.Concat) -> Any:
        inputs = [self.tensors[name] for name in layer.inputs]
        return self.keras.Concatenate(name=self._name(layer))(inputs)

    @lower.register
    def _(self, layer: ir.PadChannels) -> Any:
        return self.ours.PadChannels(layer.before, layer.after, name=self._name(layer))(self._input(layer))

    @lower.register
    def _(self, layer: ir.PadMap) -> Any:
        return self._padded(layer, self._input(layer), layer.pads, layer.value)

    @lower.register
    def _(self, layer: ir.CropMap) -> Any:
        rows, columns = slice(*layer.rows), slice(*layer.columns)
        return self._input(layer)[:, rows, columns, :]

    @lower.register
    def _(self, layer: ir.Reshape) -> Any:
        """NCHW order: a map with rows and columns is transposed before it is flattened, and after it is unfolded."""
        x = self._input(layer)
        source, target = self.network.shapes[layer.input], layer.shape
        if len(source) == 3 and math.prod(source[1:]) > 1:
            x = self.keras.Permute((3, 1, 2), name=self._name(layer, ".channels_first"))(x)
        if len(target) == 3 and math.prod(target[1:]) > 1:
            x = self.keras.Reshape(target, name=self._name(layer))(x)
            return self.keras.Permute((2, 3, 1), name=self._name(layer, ".channels_last"))(x)
        return self.keras.Reshape(self._channels_last(target), name=self._name(layer))(x)

    @lower.register
    def _(self, layer: ir.DepthToSpace | ir.SpaceToDepth | ir.Enlarge | ir.ResizeBilinear) -> Any:
        return keras_sizes.resized(layer, self._input(layer), self._name(layer))

    @lower.register
    def _(self, layer: ir.ConvTranspose) -> Any:
        return keras_sizes.transposed(layer, self._input(layer), self._name, self._make)

    @lower.register
    def _(self, layer: ir.Foreign) -> Any:
        return foreign.apply(layer, self._input(layer), self._taken)

    @lower.register
    def _(self, layer: ir.Stretch) -> Any:
        return self.keras.UpSampling2D(layer.size, name=self._name(layer))(self._input(layer))


def _shuffle_groups(indices: tuple[int, ...], channels: int) -> int:
    """The number of groups where the choice is a channel shuffle (ShuffleNet), else 0."""
    if len(indices) != channels or indices[0] != 0 or channels < 4:
        return 0
    stride = indices[1]
    if stride < 2 or channels % stride:
        return 0
    groups = channels // stride
    shuffled = np.arange(channels).reshape(groups, stride).T.reshape(-1)
    return groups if tuple(shuffled) == indices else 0


def _keras_name(name: str) -> str:
    """An ONNX name as Keras and TensorFlow scopes accept it."""
    cleaned = re.sub(r"[^A-Za-z0-9_.]+", ".", name).strip("._")
    return cleaned or "layer"
