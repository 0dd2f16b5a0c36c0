"""What a description computes, in numpy: independent of any framework, and the same bits on every machine.

Binary sums are integers, exact in any order; the few full-precision sums are taken in float64 and rounded once. So
weights that are calibrated on these maps do not depend on the number of threads, and a conversion can be repeated byte
for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.models.description import Description, Family, Node

Floats = NDArray[np.float32]
Array = NDArray[Any]
Weights = Mapping[str, Floats]

EPSILON = 1e-5


def evaluate(description: Description, weights: Mapping[str, Weights], images: Floats) -> dict[str, Floats]:
    """Every node's output for (N, H, W, 3) preprocessed images."""
    maps: dict[str, Floats] = {}
    for node in description.nodes:
        inputs = [images] if node.op == "input" else [maps[name] for name in node.inputs]
        maps[node.name] = apply_node(node, description.family, weights.get(node.name, {}), inputs)
    return maps


def apply_node(node: Node, family: Family, weights: Weights, inputs: Sequence[Floats]) -> Floats:
    """One node's output, float32."""
    return np.asarray(_APPLY[node.op](node, family, weights, *inputs), dtype=np.float32)


def binarise(kernel: Floats, family: Family) -> tuple[Floats, Floats]:
    """(signs, scale): the kernel as +-1, and its magnitude per filter, as the family's quantiser has it."""
    axes = (0, 1, 2)
    if family == "two-step":
        return _signs(kernel), np.abs(kernel).mean(axes, dtype=np.float64).astype(np.float32)
    centred = kernel.astype(np.float64) - kernel.mean(axes, dtype=np.float64)
    if family == "recu":
        return _signs(centred), np.ones(kernel.shape[-1], np.float32)
    standardised = centred / centred.std(axes, ddof=1)
    return _signs(centred), np.exp2(np.round(np.log2(np.abs(standardised).mean(axes)))).astype(np.float32)


def _signs(x: NDArray[np.float64] | Floats) -> Floats:
    result = (x < 0).astype(np.float32)  # 1 - 2 * bit: a tenth of np.where's time
    result *= -2
    result += 1
    return result


def _windows(x: Array, size: int, stride: int) -> Array:
    """(N, H', W', C, size, size)."""
    every: Array = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))  # type: ignore[call-overload]
    return every[:, ::stride, ::stride]


def _convolve(x: Array, kernel: Array, stride: int) -> Array:
    size, _, _, kernels = kernel.shape
    windows = _windows(x, size, stride)
    rows = windows.reshape(-1, x.shape[-1] * size * size)
    flat = kernel.transpose(2, 0, 1, 3).reshape(-1, kernels)
    return (rows @ flat).reshape(*windows.shape[:3], kernels)


def _convolution(node: Node, family: Family, w: Weights, x: Floats) -> Array:
    a = node.attributes
    padded = np.pad(x.astype(np.float64), [(0, 0), *a["pads"], (0, 0)])
    return _convolve(padded, w["kernel"].astype(np.float64), a["stride"])


def _rep_convolution(node: Node, family: Family, w: Weights, x: Floats) -> Array:
    a = node.attributes
    pads = [(0, 0), *[(a["size"] // 2,) * 2] * 2, (0, 0)]
    if a["binary"]:
        signs, scale = binarise(w["kernel"], family)
        y = _convolve(np.pad(_signs(x), pads), signs, a["stride"]) * (scale * w.get("filter_scale", np.float32(1)))
    else:
        y = _convolve(np.pad(x.astype(np.float64), pads), w["kernel"].astype(np.float64), a["stride"])
    return np.concatenate([y] * (node.shape[-1] // y.shape[-1]), axis=-1)


def _batch_norm(node: Node, family: Family, w: Weights, x: Floats) -> Array:
    factor = w["gamma"] / np.sqrt(w["moving_variance"] + np.float32(EPSILON))
    return x * factor + (w["beta"] - w["moving_mean"] * factor)


def _rprelu(node: Node, family: Family, w: Weights, x: Floats) -> Array:
    shifted = x + w["shift_in"]
    return np.where(shifted < 0, w["slope"] * shifted, shifted) + w["shift_out"]


def _max_pool(node: Node, family: Family, w: Weights, x: Floats) -> Array:
    a = node.attributes
    padded = np.pad(x, [(0, 0), *a["pads"], (0, 0)], constant_values=-np.inf)
    return _windows(padded, a["size"], a["stride"]).max((-2, -1))


def _average_pool(node: Node, family: Family, w: Weights, x: Floats) -> Array:
    return _windows(x.astype(np.float64), node.attributes["size"], node.attributes["stride"]).mean((-2, -1))


def _pad_channels(node: Node, family: Family, w: Weights, x: Floats) -> Array:
    return np.pad(x, [(0, 0)] * 3 + [(node.attributes["each"],) * 2])


_APPLY: dict[str, Callable[..., Array]] = {
    "input": lambda n, f, w, x: x,
    "convolution": _convolution,
    "rep_convolution": _rep_convolution,
    "batch_norm": _batch_norm,
    "shift": lambda n, f, w, x: x + w["shift"],
    "rprelu": _rprelu,
    "hard_tanh": lambda n, f, w, x: np.clip(x, -1, 1),
    "repeat": lambda n, f, w, x: np.concatenate([x] * n.attributes["times"], axis=-1),
    "pad_channels": _pad_channels,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "global_pool": lambda n, f, w, x: x.astype(np.float64).mean((1, 2)),
    "flatten": lambda n, f, w, x: x.reshape(len(x), -1),
    "add": lambda n, f, w, x, y: x + y,
    "concat": lambda n, f, w, *xs: np.concatenate(xs, axis=-1),
    "dense": lambda n, f, w, x: x.astype(np.float64) @ w["kernel"].astype(np.float64) + w["bias"],
}
