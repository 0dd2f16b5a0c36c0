"""The state of recognition: what each value of the file is, and the network built so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from repbnn_converters.onnx.graph import Array, Graph, Node
from repbnn_converters.onnx.network import DERIVED, Affine, Layer, Network, PadMap, Shape, Sign
from repbnn_converters.onnx.recognition import movement
from repbnn_converters.onnx.recognition.symbols import IsZero, Known, Moved, Real, ScaledSign, Symbol, TwoValued
from repbnn_edge.errors import UnsupportedError

_SIMPLER = "export the network without it, or with its arithmetic spelled out"


class Builder:
    """Hands out symbols, and appends layers.

    Attributes:
        graph: the file's graph, after the passes.
        network: what is being built.
        symbols: what each value is.
        scaled_signs: what some real maps also are: signs times a map.
        never_negative: values of the file that are at least 0 everywhere, see ``ranges``.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.producers = graph.producers()
        shape = graph.types[graph.input].shape
        self.network = Network(input=graph.input, output=graph.output, layers=[], shapes={graph.input: shape[1:]})
        self.symbols: dict[str, Symbol] = {graph.input: Real(graph.input)}
        self.scaled_signs: dict[str, ScaledSign] = {}
        self.never_negative: set[str] = set()
        self._fresh = 0

    def symbol(self, node: Node, index: int) -> Symbol:
        """What input ``index`` of ``node`` is."""
        name = node.input(index)
        if name in self.graph.constants:
            return Known(self.graph.constants[name])
        if name not in self.symbols:
            raise self.unsupported(node, f"its input '{name}' has no value", _SIMPLER)
        return self.symbols[name]

    def known(self, node: Node, index: int) -> Array | None:
        """The constant at input ``index``, or None."""
        return self.graph.constants.get(node.input(index))

    def scalar(self, node: Node, index: int) -> float | None:
        """The single number at input ``index``; None where it is none or left out."""
        value = self.known(node, index)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def uniform(self, node: Node, index: int) -> float | None:
        """The number that the constant at input ``index`` is everywhere, as ``ones_like`` is; else None."""
        value = self.known(node, index)
        if value is None or not value.size or (value != value.flat[0]).any():
            return None
        shape = self.graph.shape(node.output)
        widens = shape is None or any(size > own for size, own in zip(value.shape[::-1], shape[::-1], strict=False))
        return None if widens and value.size > 1 else float(value.flat[0])

    def zero_mask(self, node: Node, index: int) -> IsZero | None:
        """Input ``index``, if it says where a map is 0."""
        symbol = self.symbols.get(node.input(index))
        return symbol if isinstance(symbol, IsZero) else None

    def shape(self, node: Node, name: str) -> tuple[int, ...]:
        """Shape of a value of the file, with the batch.

        Raises:
            UnsupportedError: it depends on the input.
        """
        shape = self.graph.shape(name)
        if shape is None:
            raise self.unsupported(node, f"the shape of '{name}' stays open", "export with a fixed image size")
        return shape

    def settle(self, node: Node, index: int) -> Known | Real | TwoValued:
        """What input ``index`` is, movements made into layers."""
        symbol = self.symbol(node, index)
        if isinstance(symbol, Moved):
            symbol = movement.settle(self, node, node.input(index), symbol)
            self.symbols[node.input(index)] = symbol
        if isinstance(symbol, IsZero):
            raise self.unsupported(node, "it reads where a map is 0, and not to make a bit of it", _SIMPLER)
        return symbol

    def real(self, node: Node, index: int) -> str:
        """Input ``index`` as a real map: a sign that something else reads becomes a map of +-1."""
        symbol = self.settle(node, index)
        if isinstance(symbol, Known):
            raise self.unsupported(node, f"its input '{node.input(index)}' is a constant map", _SIMPLER)
        if isinstance(symbol, Real):
            return symbol.name
        name = self._materialised(node, symbol)
        self.symbols[node.input(index)] = Real(name)
        return name

    def _materialised(self, node: Node, symbol: TwoValued) -> str:
        shape = self.network.shapes[symbol.source]
        source, gain = self.hardware_sign(node, symbol)
        name = self.emit(Sign(name=node.name, inputs=(source,), output=self.fresh(symbol.source)), shape)
        rank = (1,) * len(shape)
        scale, shift = np.full(rank, gain), np.full(rank, symbol.offset)
        if gain != 1.0 or symbol.offset:
            layer = Affine(name=node.name, inputs=(name,), output=self.fresh(name), scale=scale, shift=shift)
            name = self.emit(layer, shape)
        if symbol.padded:
            channels, height, width = shape
            rows, columns = symbol.pads
            size = (channels, height + sum(rows), width + sum(columns))
            inputs, output = (name,), self.fresh(name)
            name = self.emit(
                PadMap(name=node.name, inputs=inputs, output=output, pads=symbol.pads, value=symbol.pad_value), size
            )
        return name

    def hardware_sign(self, node: Node, symbol: TwoValued) -> tuple[str, float]:
        """Source and gain for a sign that gives +1 at 0.

        A comparison ``x > 0`` is false at 0, where the hardware's sign is +1: ``-sign(-x)`` is right everywhere.
        torch.sign's own 0 has no binary form; it is +1 then, and verification counts how often it occurs.
        """
        if symbol.at_zero >= 0:
            return symbol.source, symbol.gain
        name = f"{symbol.source}{DERIVED}negated"
        if name not in self.network.shapes:
            shape = self.network.shapes[symbol.source]
            minus = np.full((1,) * len(shape), -1.0)
            self.emit(Affine(name=node.name, inputs=(symbol.source,), output=name, scale=minus), shape)
        return name, -symbol.gain

    def emit(self, layer: Layer, shape: Shape) -> str:
        """Append a layer whose output has ``shape`` (without the batch); gives the output's name."""
        self.network.layers.append(layer)
        self.network.shapes[layer.output] = shape
        return layer.output

    def give(self, node: Node, make: Callable[..., Layer], shape: Shape, **arguments: Any) -> None:
        """Append the layer that makes the node's own output a real map."""
        self.emit(make(name=node.name, output=node.output, **arguments), shape)
        self.symbols[node.output] = Real(node.output)

    def fresh(self, base: str) -> str:
        """A name for a value that the file does not have."""
        self._fresh += 1
        return f"{base.split(DERIVED)[0]}{DERIVED}{self._fresh}"

    def unsupported(self, node: Node, why: str, do: str) -> UnsupportedError:
        """The error that names a node."""
        return UnsupportedError(str(node), why, do)

    def per_sample(self, node: Node, array: Array, shape: Shape) -> np.ndarray[Any, np.dtype[np.float64]]:
        """A constant operand of a map of ``shape``: of its rank, sizes 1 or the map's, as small as it can be.

        Exporters write a shift per channel as a whole map where ``expand_as`` was folded; a map that is uniform over
        rows and columns is one number per channel again.
        """
        rank = len(shape) + 1
        if array.dtype.kind not in "fiub" or array.ndim > rank:
            raise self.unsupported(
                node, f"a constant of shape {list(array.shape)} meets a map of {list(shape)}", _SIMPLER
            )
        value = array.astype(np.float64).reshape((1,) * (rank - array.ndim) + array.shape)
        if value.shape[0] > 1:
            if (value != value[:1]).any():
                raise self.unsupported(node, "its constant differs within the batch", "export with a batch of 1")
            value = value[:1]
        value = value[0]
        if any(own not in (1, size) for own, size in zip(value.shape, shape, strict=True)):
            raise self.unsupported(node, f"its constant of shape {list(array.shape)} widens the map", _SIMPLER)
        if value.ndim == 3 and value[0].size > 1 and (value == value[:, :1, :1]).all():
            value = value[:, :1, :1]
        return np.ascontiguousarray(value)
