"""Weights of an untrained network that behave: seeded, all distinct, and every sign sees both signs.

Fresh batch norms and zero shifts make every test of a binary network meaningless (all bits equal, all sums ties). So
the network is run once on a batch of random images, node by node, and each batch norm takes its mean and variance, each
shift its place, from the map that it meets.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable

import numpy as np

from repbnn_edge.datasets.known import IMAGENET
from repbnn_edge.models.arithmetic import Floats, apply_node
from repbnn_edge.models.catalog import describe, entry_of
from repbnn_edge.models.description import Description, Family, Node

SEED = 2207_09049
_BATCH = 8
_CALIBRATION_SIZE = {IMAGENET.size: 64}
_CHANNEL_AXES = (0, 1, 2)


def calibrated_weights(name: str, description: Description, seed: int = SEED) -> dict[str, dict[str, Floats]]:
    """``{layer: {variable: values}}`` for a built-in network, a pure function of name, beta, input width and seed.

    The maps are those of small images, so that it takes a second or two for every network; a layer behind them whose
    width depends on the image (the dense layer of a VGG) is drawn for the description's own.
    """
    size = entry_of(name).images.size
    small_size = _CALIBRATION_SIZE.get(size, size)
    small = describe(name, description.beta, (small_size, small_size, 3))
    last_use = {name: node.name for node in small.nodes for name in node.inputs}
    weights: dict[str, dict[str, Floats]] = {}
    maps: dict[str, Floats] = {}
    for node, full in zip(small.nodes, description.nodes, strict=True):
        random = np.random.default_rng([seed, zlib.crc32(node.name.encode())])
        if node.op == "input":
            maps[node.name] = _images(random, small_size)
            continue
        inputs = [maps[name] for name in node.inputs]
        if node.weights:
            weights[node.name] = _DRAW[node.op](random, full, inputs[0])
        if node.op == "max_pool" and "moving_mean" in weights.get(node.inputs[0], {}):
            inputs = [_centred_below_a_pool(small.family, node, inputs[0], weights[node.inputs[0]])]
        if node is not small.nodes[-1]:
            maps[node.name] = apply_node(node, small.family, weights.get(node.name, {}), inputs)
        for name in [name for name in node.inputs if last_use[name] == node.name]:
            maps.pop(name, None)
    return weights


def _centred_below_a_pool(family: Family, pool: Node, x: Floats, batch_norm: dict[str, Floats]) -> Floats:
    """Lower a batch norm's shift by the median of what the pool makes of it, or every sign behind the pool is +1."""
    median = np.median(apply_node(pool, family, {}, [x]), axis=_CHANNEL_AXES)
    lower = (median * np.linspace(0.8, 1.2, len(median))).astype(np.float32)
    batch_norm["beta"] = batch_norm["beta"] - lower
    return x - lower


def _images(random: np.random.Generator, size: int) -> Floats:
    """Noise with large and small structure, about as bright and as contrasted as a normalised photograph."""
    coarse = random.normal(size=(_BATCH, 8, 8, 3)).repeat(size // 8, axis=1).repeat(size // 8, axis=2)
    return np.asarray(coarse + 0.5 * random.normal(size=coarse.shape), dtype=np.float32)


def _kernel(random: np.random.Generator, node: Node, _: Floats) -> dict[str, Floats]:
    """Both signs, and nothing near zero: no quantiser's rounding can decide a sign."""
    shape = node.weights["kernel"]
    bound = math.sqrt(6.0 / math.prod(shape[:-1]))
    kernel = random.random(shape, dtype=np.float32) * np.float32(2 * bound) - np.float32(bound)
    kernel = kernel * np.float32(0.75) + np.copysign(np.float32(0.25 * bound), kernel)
    drawn = {"kernel": kernel}
    if "filter_scale" in node.weights:
        drawn["filter_scale"] = _uniform(random, 0.2, 1.0, node.weights["filter_scale"])
    return drawn


def _batch_norm(random: np.random.Generator, node: Node, x: Floats) -> dict[str, Floats]:
    axes = tuple(range(x.ndim - 1))
    variance = x.var(axes, dtype=np.float64)
    return {
        "gamma": _uniform(random, 0.5, 1.5, node.shape[-1:]),
        "beta": _signed(random, 0.05, 0.4, node.shape[-1:]),
        "moving_mean": x.mean(axes, dtype=np.float64).astype(np.float32),
        "moving_variance": np.maximum(variance, 0.01 * variance.mean()).astype(np.float32),
    }


def _shift(random: np.random.Generator, node: Node, x: Floats) -> dict[str, Floats]:
    centre, spread = x.mean(_CHANNEL_AXES, dtype=np.float64), x.std(_CHANNEL_AXES, dtype=np.float64)
    return {"shift": (-centre + _signed(random, 0.02, 0.3, centre.shape) * spread).astype(np.float32)}


def _rprelu(random: np.random.Generator, node: Node, _: Floats) -> dict[str, Floats]:
    width = node.shape[-1:]
    return {
        "shift_in": _signed(random, 0.02, 0.2, width),
        "slope": _uniform(random, 0.1, 0.5, width),
        "shift_out": _signed(random, 0.02, 0.2, width),
    }


def _dense(random: np.random.Generator, node: Node, _: Floats) -> dict[str, Floats]:
    inputs, units = node.weights["kernel"]
    kernel = random.normal(scale=1.0 / math.sqrt(inputs), size=(inputs, units)).astype(np.float32)
    return {"kernel": kernel, "bias": _signed(random, 0.01, 0.2, (units,))}


def _uniform(random: np.random.Generator, low: float, high: float, shape: tuple[int, ...]) -> Floats:
    return random.uniform(low, high, shape).astype(np.float32)


def _signed(random: np.random.Generator, low: float, high: float, shape: tuple[int, ...]) -> Floats:
    """Of either sign, and never near zero."""
    return _uniform(random, low, high, shape) * random.choice(np.array([-1, 1], np.float32), shape)


_DRAW: dict[str, Callable[[np.random.Generator, Node, Floats], dict[str, Floats]]] = {
    "convolution": _kernel,
    "rep_convolution": _kernel,
    "batch_norm": _batch_norm,
    "shift": _shift,
    "rprelu": _rprelu,
    "dense": _dense,
}
