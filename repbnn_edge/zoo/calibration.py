"""Weights of an untrained Keras network that behave: seeded, distinct, and every sign sees both signs.

Fresh batch norms make every test of a binary network meaningless: behind a ReLU all bits are +1, and a sum of 0 is a
tie. So the network is run once, call by call, on noise, and each layer gets its numbers from the map that it meets.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import BadInputError
from repbnn_edge.keras_graph import Graph, Node, evaluate, walk
from repbnn_edge.keras_graph.binary import makes_sign, precision_of

Floats = NDArray[np.float32]

_BATCH = 8
_KERNELS = {"kernel", "depthwise_kernel", "pointwise_kernel"}


def calibrate(model: Any, seed: int = 0) -> None:
    """Give all trainable weights of ``model``, and the statistics of its batch norms, new values in place.

    The values depend on the layers' order and the seed alone: names that Keras counts up in a process do not matter.

    Raises:
        BadInputError: its input size is open.
        UnsupportedError: as ``keras_graph.walk``.
    """
    graph = walk(model)
    order = {node.name: index for index, node in enumerate(graph.nodes)}

    def override(node: Node, tensors: tuple[Any, ...]) -> None:
        if node.is_first_call and node.layer.trainable and node.layer.weights:
            _draw(graph, node, tensors, np.random.default_rng([seed, order[node.name]]))

    evaluate(graph, noise(graph, _BATCH, seed), override, taps=[])


def noise(model: Any, count: int, seed: int = 0) -> Floats | list[Floats]:
    """``count`` inputs of coarse and fine noise; a list where the model has several inputs.

    Raises:
        BadInputError: the input size is open.
    """
    graph = walk(model)
    random = np.random.default_rng(seed)
    batches = []
    for value in graph.inputs:
        shape = value.shape[1:]
        if None in shape:
            raise BadInputError(graph.name, f"its input {value.tap} has an open size", "build it for a fixed one")
        sizes = [int(size) for size in shape if size is not None]
        batch = 0.5 * random.normal(size=(count, *sizes))
        if len(sizes) == 3:
            coarse = random.normal(size=(count, 8, 8, sizes[-1]))
            for axis in (1, 2):
                coarse = coarse.repeat(-(-sizes[axis - 1] // 8), axis=axis)
            batch += coarse[:, : sizes[0], : sizes[1]]
        batches.append(batch.astype(np.float32))
    return batches[0] if len(batches) == 1 else batches


def sign_shares(model: Any, batch: Any) -> dict[str, float]:
    """The share of -1 at every sign: input quantisers (by the layer's name) and signs of their own."""
    graph, shares = walk(model), {}

    def override(node: Node, tensors: tuple[Any, ...]) -> None:
        if makes_sign(node) or precision_of(getattr(node.layer, "input_quantizer", None)) == 1:
            x = tensors[0] if hasattr(node.layer, "input_quantizer") else node.call(tensors)
            shares[node.name] = float(np.mean(np.asarray(x) < 0))

    evaluate(graph, batch, override, taps=[])
    return shares


def _draw(graph: Graph, node: Node, tensors: tuple[Any, ...], random: np.random.Generator) -> None:
    layer, x = node.layer, np.asarray(tensors[0])
    variables = {variable.name.split("/")[-1].split(":")[0]: variable for variable in layer.weights}
    if "moving_mean" in variables:
        _batch_norm(graph, node, x, variables, random)
        return
    for name, variable in variables.items():
        shape = tuple(variable.shape)
        if name in _KERNELS:
            variable.assign(_kernel(random, shape))
        elif name == "bias":
            variable.assign(_signed(random, 0.01, 0.2, shape))
        elif name in ("alpha", "slope"):
            variable.assign(random.uniform(0.1, 0.5, shape))
        elif name == "filter_scale":
            variable.assign(random.uniform(0.2, 1.0, shape))
        elif name == "scale":
            variable.assign(random.uniform(0.5, 1.5, shape))
        elif name == "shift":
            variable.assign(_centring(random, x))
        elif name in ("shift_in", "shift_out"):
            variable.assign(_signed(random, 0.02, 0.2, shape))


def _kernel(random: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Both signs, and nothing near zero: no quantiser's rounding can decide a sign."""
    bound = math.sqrt(6.0 / math.prod(shape[:-1]))
    return random.uniform(0.25, 1.0, shape) * random.choice([-bound, bound], shape)


def _batch_norm(
    graph: Graph, node: Node, x: NDArray[Any], variables: dict[str, Any], random: np.random.Generator
) -> None:
    kept = {axis % x.ndim for axis in np.atleast_1d(node.layer.axis)}
    over = tuple(axis for axis in range(x.ndim) if axis not in kept)
    variance = x.var(over, dtype=np.float64)
    width = variance.shape
    values = {
        "gamma": random.uniform(0.5, 1.5, width),
        "beta": _signed(random, 0.05, 0.4, width),
        "moving_mean": x.mean(over, dtype=np.float64),
        "moving_variance": np.maximum(variance, max(0.01 * float(variance.mean()), 1e-6)),
    }
    for name, variable in variables.items():
        variable.assign(values[name])
    readers = graph.consumers(node.outputs[0])
    if "beta" in variables and len(readers) == 1 and readers[0].operation == "MaxPooling2D":
        # A maximum of centred values is positive: every sign behind the pool would be +1.
        pooled = np.asarray(readers[0].call([node.call([x])]))
        lower = np.median(pooled, axis=(0, 1, 2)) * random.uniform(0.8, 1.2, width)
        variables["beta"].assign(values["beta"] - lower)


def _centring(random: np.random.Generator, x: NDArray[Any]) -> Any:
    over = tuple(range(x.ndim - 1))
    centre, spread = x.mean(over, dtype=np.float64), x.std(over, dtype=np.float64)
    return -centre + _signed(random, 0.02, 0.3, centre.shape) * spread


def _signed(random: np.random.Generator, low: float, high: float, shape: tuple[int, ...]) -> Any:
    """Of either sign, and never near zero."""
    return random.uniform(low, high, shape) * random.choice([-1.0, 1.0], shape)
