"""The file's graph, readable and rewritable: ONNX operators over named values of known type.

Nodes are in topological order, and every pass keeps them so. Constants hold every value that is known; a value
that some pass found equal to another is renamed to it everywhere (``Graph.replace``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class ValueType:
    """Shape and element type of a value; a dimension that cannot be known is -1."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def known(self) -> bool:
        """Whether every dimension is a number."""
        return all(size >= 0 for size in self.shape)

    @property
    def elements(self) -> int:
        """How many numbers it holds; only where ``known``."""
        total = 1
        for size in self.shape:
            total *= size
        return total


@dataclass(eq=False)
class Node:
    """One ONNX operator.

    Attributes:
        op: operator type of the default domain.
        inputs: value names; "" is an input left out.
        outputs: value names; "" is an output nobody wants.
        attributes: as Python values (tensors as arrays).
        name: as the file has it, or ``<op>_<position>`` where it has none.
    """

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    name: str

    def input(self, index: int) -> str:
        """The input's name, "" where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    def __str__(self) -> str:
        return f"node '{self.name}' ({self.op})"


@dataclass(eq=False)
class Graph:
    """A network of one input and one output; ``batch`` is dimension 0 of its input, 1 where the file leaves it open."""

    nodes: list[Node]
    constants: dict[str, Array]
    types: dict[str, ValueType]
    input: str
    output: str
    batch: int
    opset: int
    ir_version: int
    aliases: dict[str, str] = field(default_factory=dict)

    def producers(self) -> dict[str, Node]:
        """Which node makes each value."""
        return {output: node for node in self.nodes for output in node.outputs if output}

    def uses(self) -> Counter[str]:
        """How often each value is read; the network's output counts as one."""
        counts = Counter(name for node in self.nodes for name in node.inputs if name)
        counts[self.output] += 1
        return counts

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a value, None where it is not wholly known."""
        kind = self.types.get(name)
        return kind.shape if kind is not None and kind.known else None

    def resolve(self, name: str) -> str:
        """The value that stands for ``name`` after all replacements so far."""
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def replace(self, aliases: Mapping[str, str]) -> None:
        """Rename values everywhere; their producers stay until dead code goes."""
        if not aliases:
            return
        table = resolve_all(aliases)
        for node in self.nodes:
            node.inputs = [table.get(name, name) for name in node.inputs]
        self.output = table.get(self.output, self.output)
        self.aliases.update(table)

    def add_constant(self, name: str, value: Array) -> None:
        """Make ``name`` a known value."""
        self.constants[name] = value
        self.types[name] = ValueType(tuple(value.shape), value.dtype)


def resolve_all(aliases: Mapping[str, str]) -> dict[str, str]:
    """Follow chains of renames to their end."""
    table: dict[str, str] = {}
    for start in aliases:
        chain = []
        name = start
        while name in aliases and name not in table:
            chain.append(name)
            name = aliases[name]
        end = table.get(name, name)
        table.update(dict.fromkeys(chain, end))
    return table


def operators(nodes: Iterable[Node]) -> list[str]:
    """The operator types, in order: what tests compare."""
    return [node.op for node in nodes]
