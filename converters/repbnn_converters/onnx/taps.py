"""From values of the file to the maps that binary layers read, where recognition moved a sign behind a movement."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from repbnn_converters.onnx import network as ir
from repbnn_converters.onnx.graph import Graph
from repbnn_edge.errors import UnsupportedError

Maps = NDArray[np.float32]


class Taps:
    """What to tap in the file, and what is made of it.

    Args:
        network: the recognised network.
        graph: the file's graph, which says what is a value of the file.
        wanted: values of the network.
    """

    def __init__(self, network: ir.Network, graph: Graph, wanted: list[str]) -> None:
        self._wanted = list(dict.fromkeys(wanted))
        in_file = {output for node in graph.nodes for output in node.outputs} | {graph.input}
        producers = network.recognised
        needed: list[ir.Layer] = []
        roots: dict[str, None] = {}
        pending, seen = list(self._wanted), set()
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in in_file:
                roots[name] = None
                continue
            needed.append(producers[name])
            pending.extend(producers[name].inputs)
        order = {output: i for i, output in enumerate(producers)}
        self._layers = sorted(needed, key=lambda layer: order[layer.output])
        self.roots = list(roots)
        """Values of the file."""

    def evaluate(self, values: dict[str, Maps]) -> dict[str, Maps]:
        """The wanted maps, NCHW, from the values of ``roots``."""
        known = dict(values)
        for layer in self._layers:
            known[layer.output] = _evaluate(layer, *(known[name] for name in layer.inputs))
        return {name: known[name] for name in self._wanted}


@singledispatch
def _evaluate(layer: ir.Layer, *inputs: Maps) -> Maps:
    why = f"its sign reads a {type(layer).__name__} that the file does not have as a value"
    raise UnsupportedError(f"node '{layer.name}'", why, "take the sign of a map that the network computes")


@_evaluate.register
def _(layer: ir.Affine, x: Maps) -> Maps:
    scaled = x if layer.scale is None else x * layer.scale.astype(np.float32)
    return scaled if layer.shift is None else scaled + layer.shift.astype(np.float32)


@_evaluate.register
def _(layer: ir.Repeat, x: Maps) -> Maps:
    return np.concatenate([x] * layer.times, axis=1)


@_evaluate.register
def _(layer: ir.TakeChannels, x: Maps) -> Maps:
    return np.take(x, layer.indices, axis=1)


@_evaluate.register
def _(layer: ir.Concat, *inputs: Maps) -> Maps:
    return np.concatenate(inputs, axis=1)


@_evaluate.register
def _(layer: ir.CropMap, x: Maps) -> Maps:
    return x[:, :, slice(*layer.rows), slice(*layer.columns)]


@_evaluate.register
def _(layer: ir.Reshape, x: Maps) -> Maps:
    return x.reshape(len(x), *layer.shape)


@_evaluate.register
def _(layer: ir.Stretch, x: Maps) -> Maps:
    return np.broadcast_to(x, (*x.shape[:2], *layer.size))


@_evaluate.register
def _(layer: ir.Combine, left: Maps, right: Maps) -> Maps:
    if layer.kind != "subtract":
        raise UnsupportedError(f"node '{layer.name}'", f"its sign reads a {layer.kind}", "name the sum first")
    return np.asarray(left - right)


@_evaluate.register
def _(layer: ir.Pool, x: Maps) -> Maps:
    padded = np.pad(x, ((0, 0), (0, 0), *layer.pads), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (1, 1, *layer.size))
    return np.asarray(windows[:, :, :: layer.strides[0], :: layer.strides[1]].max((4, 5, 6, 7)))
