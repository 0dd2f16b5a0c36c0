"""What an import must fulfil: the Keras network computes what the file computes, and the bits are the file's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from repbnn_converters.onnx import sessions
from repbnn_converters.onnx.importing import Imported, import_network
from repbnn_converters.onnx_file import FrontEnd

from repbnn_edge.conversion.source import LoadedSource, LoadOptions
from repbnn_edge.verification.reference import OUTPUT, BinaryLayer

Maps = np.ndarray[Any, np.dtype[np.float32]]


def load(path: Path) -> LoadedSource:
    """Through the front end, as a user."""
    return FrontEnd().load(str(path), LoadOptions())


def random_inputs(source: LoadedSource, count: int = 2, seed: int = 1) -> Maps:
    """NHWC inputs."""
    shape = (count, *source.reference.input_shape)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def relative_error(source: LoadedSource, inputs: Maps) -> float:
    """Largest difference of the Keras network and the file, relative to the largest output; flips spread into it."""
    expected = source.reference.run(inputs)[OUTPUT]
    fed = inputs.reshape(len(inputs), *source.network.input_shape[1:])
    got = np.concatenate([source.network(fed[i : i + 1], training=False).numpy() for i in range(len(fed))])
    assert got.shape == expected.shape
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def integer_sums(layer: BinaryLayer, taps: Maps, zero: int = 1) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The layer's truth: +-1 weights times the signs of its tap, (N, H, W, filters); ``zero``: what 0 counts as."""
    maps = taps.reshape(len(taps), 1, 1, -1) if layer.kind == "dense" else taps
    bits = np.where(maps < 0, -1, np.where(maps > 0, 1, zero)).astype(np.int64)
    padded = np.pad(bits, ((0, 0), *layer.padding, (0, 0)), constant_values=layer.pad_value)
    rows, columns, depth, filters = layer.weights.shape
    spans = [(k - 1) * d + 1 for k, d in zip((rows, columns), layer.dilations, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(padded, spans, (1, 2))
    windows = windows[:, :: layer.strides[0], :: layer.strides[1], :, :: layer.dilations[0], :: layer.dilations[1]]
    grouped = windows.reshape(*windows.shape[:3], layer.groups, depth, rows, columns)
    weights = layer.weights.transpose(2, 0, 1, 3).reshape(depth * rows * columns, layer.groups, filters // layer.groups)
    flat = grouped.reshape(*grouped.shape[:4], -1).astype(np.float64)  # exact far beyond any sum here, and fast
    sums = [flat[:, :, :, g] @ weights[:, g].astype(np.float64) for g in range(layer.groups)]
    return np.concatenate(sums, -1).astype(np.int64)


def check_tie(path: Path, inputs: Maps) -> int:
    """The file's own convolution output over its scale rounds to the integers of the recovered bits; gives a count.

    This goes round everything that was recognised but the bits: onnxruntime computes the convolution from the file,
    and only its two numbers per filter (scale and bias) are fitted.
    """
    imported = import_network(path)
    source = load(path)
    values = source.reference.run(inputs)
    outputs = convolution_outputs(imported, inputs)
    for layer, own in zip(source.reference.binary_layers, imported.network.binary, strict=True):
        if own.added:
            continue
        sums, other = (integer_sums(layer, values[layer.sign_input], z).reshape(-1, len(own.weights)) for z in (1, -1))
        # Where torch.sign met an exact 0 it gave 0, which is no bit; a comparison falls on one side.
        clear = (sums == other).all(1) | layer.exact_at_zero
        assert clear.mean() > 0.5  # a 5x5 window spreads one 0 over most of a small map
        result = outputs[own.name]
        result = result.transpose(0, 2, 3, 1) if result.ndim == 4 else result
        assert_affine_in_integers(result.reshape(-1, result.shape[-1])[clear], sums[clear], layer.name)
    return len(imported.network.binary)


def assert_affine_in_integers(result: Maps, sums: np.ndarray[Any, np.dtype[np.int64]], name: str) -> None:
    """Every filter's output is scale * integer + bias, so exactly that undoing it rounds to the integer."""
    for channel in range(sums.shape[1]):
        x, y = sums[:, channel].astype(np.float64), result[:, channel].astype(np.float64)
        low, high = x.argmin(), x.argmax()
        if x[low] == x[high]:
            assert np.ptp(y) <= 1e-5 * max(1e-6, np.abs(result).max()), name  # where all are 0, y is mere rounding
            continue
        scale = (y[high] - y[low]) / (x[high] - x[low])
        undone = (y - y[low]) / scale + x[low] if scale else x
        assert np.abs(undone - x).max() < 0.01, f"{name}, filter {channel}"


def convolution_outputs(imported: Imported, inputs: Maps) -> dict[str, Maps]:
    """What onnxruntime gives for each binary layer's node, by the node's name."""
    proto = onnx.ModelProto()
    proto.CopyFrom(imported.model)
    nodes = {node.name: node.output[0] for node in proto.graph.node}
    wanted = {layer.name: nodes[layer.name] for layer in imported.network.binary}
    existing = {value.name for value in proto.graph.output}
    for name in set(wanted.values()) - existing:
        proto.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    session = sessions.unoptimised(proto, "test")
    feeds = [np.ascontiguousarray(image[None].transpose(0, 3, 1, 2)) for image in inputs]
    if len(imported.network.shapes[imported.network.input]) == 1:
        feeds = [image.reshape(1, -1) for image in feeds]
    runs = [session.run(list(wanted.values()), {imported.network.input: feed}) for feed in feeds]
    return {name: np.concatenate([run[i] for run in runs]) for i, name in enumerate(wanted)}
