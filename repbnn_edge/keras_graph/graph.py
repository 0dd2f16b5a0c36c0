"""The parts of a flat network: values, the calls that make them, and who reads what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from repbnn_edge import stack


@dataclass(frozen=True)
class Value:
    """One tensor of the network.

    Attributes:
        tap: its name: the node's where the node has one output, else ``node:index``; an input's is its layer's name.
        shape: with None where it is not known, the batch first.
        dtype: TensorFlow's name of it.
    """

    tap: str
    shape: tuple[int | None, ...]
    dtype: str = "float32"


@dataclass(frozen=True, eq=False)
class Node:
    """One call of one layer.

    Attributes:
        name: unique in the graph.
        layer_name: unique for the layer; a second call of a shared layer has the same.
        layer: the Keras layer; a ``TFOpLambda`` for an operation.
        inputs: the values that the call reads, in the order in which its arguments hold them.
        outputs: the values that it gives.
        arguments: the call's ``(args, kwargs)`` flattened; places that hold ``inputs`` are listed in ``places``.
        structure: what ``tf.nest`` packs ``arguments`` back into.
        places: index in ``arguments`` of each of ``inputs``.
    """

    name: str
    layer_name: str
    layer: Any
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    arguments: tuple[Any, ...] = field(repr=False)
    structure: Any = field(repr=False)
    places: tuple[int, ...] = field(repr=False)

    @property
    def is_operation(self) -> bool:
        """Whether this is a TensorFlow function that Keras wrapped, not a layer of its own."""
        return hasattr(self.layer, "symbol")

    @property
    def operation(self) -> str:
        """The layer's class, or TensorFlow's public name of a wrapped function (``math.multiply``)."""
        if self.is_operation:
            name = str(self.layer.symbol or getattr(self.layer.function, "__name__", "?"))
            return name.removeprefix("compat.v1.")
        return str(type(self.layer).__name__)

    @property
    def is_first_call(self) -> bool:
        """Whether no earlier node calls the same layer; its weights count once."""
        return self.name == self.layer_name

    def map_arguments(self, tensors: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call's positional and keyword arguments, with ``tensors`` where the node reads its inputs."""
        if len(tensors) != len(self.places):
            raise ValueError(f"{self.name} reads {len(self.places)} tensors, {len(tensors)} given")
        flat = list(self.arguments)
        for place, tensor in zip(self.places, tensors, strict=True):
            flat[place] = tensor
        args, kwargs = stack.tensorflow().nest.pack_sequence_as(self.structure, flat)
        return tuple(args), dict(kwargs)

    def call(self, tensors: Sequence[Any], layer: Any = None) -> Any:
        """Call the layer, or ``layer`` in its place, on ``tensors`` (Keras' or eager ones)."""
        args, kwargs = self.map_arguments(tensors)
        return (self.layer if layer is None else layer)(*args, **kwargs)


Rewrite = Callable[[Node, tuple[Any, ...]], Any]
"""Gives what replaces a node's call on these tensors, or None to leave it."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A network: nodes in an order in which they can run.

    Attributes:
        name: the model's.
        inputs: one for each input of the model.
        nodes: every call.
        outputs: one for each output; an input may be among them.
        output_structure: what ``tf.nest`` packs the outputs back into.
    """

    name: str
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]
    output_structure: Any = field(repr=False)

    def node(self, name: str) -> Node:
        """The node of that name; KeyError if there is none."""
        return self._by_name[name]

    def producer(self, value: Value) -> Node | None:
        """The node that gives ``value``, None for an input of the network."""
        return self._producers.get(value.tap)

    def consumers(self, value: Value) -> tuple[Node, ...]:
        """The nodes that read ``value``, in order; a node that reads it twice is there once."""
        return tuple(self._consumers.get(value.tap, ()))

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def _producers(self) -> dict[str, Node]:
        return {value.tap: node for node in self.nodes for value in node.outputs}

    @cached_property
    def _consumers(self) -> dict[str, list[Node]]:
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for tap in dict.fromkeys(value.tap for value in node.inputs):
                readers.setdefault(tap, []).append(node)
        return readers
