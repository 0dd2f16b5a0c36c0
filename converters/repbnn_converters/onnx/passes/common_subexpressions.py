"""Given: nodes of the same operator, attributes and inputs, constants compared by content.
Result: one of them; the readers of the others read it.

An author's ``f(x).detach() - f(x)`` that computes f twice is thereby the same value twice, and can cancel.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from repbnn_converters.onnx.graph import Array, Graph

_MAX_ALIKE = 8  # constants of one sample but different content: a hostile file must not make this quadratic
_RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}


def run(graph: Graph) -> None:
    """Apply the pass."""
    aliases = _equal_constants(graph)
    seen: dict[Hashable, list[str]] = {}
    for node in graph.nodes:
        node.inputs = [aliases.get(name, name) for name in node.inputs]
        if node.op in _RANDOM:
            continue
        key = (node.op, tuple(node.inputs), _frozen(node.attributes), len(node.outputs))
        first = seen.setdefault(key, node.outputs)
        if first is not node.outputs:
            aliases.update({mine: its for mine, its in zip(node.outputs, first, strict=True) if mine and its})
    graph.replace(aliases)


def _equal_constants(graph: Graph) -> dict[str, str]:
    alike: dict[Hashable, list[str]] = {}
    aliases: dict[str, str] = {}
    for name, value in graph.constants.items():
        others = alike.setdefault((value.dtype.str, value.shape, _sample(value)), [])
        original = next((other for other in others if np.array_equal(graph.constants[other], value)), None)
        if original is not None:
            aliases[name] = original
        elif len(others) < _MAX_ALIKE:
            others.append(name)
    return aliases


def _sample(value: Array) -> bytes:
    """Some of its numbers: enough to tell weights apart without reading them all."""
    flat = value.reshape(-1)
    return bytes(flat[:: max(1, flat.size // 64)].tobytes())


def _frozen(value: Any) -> Hashable:
    if isinstance(value, dict):
        return tuple(sorted((name, _frozen(item)) for name, item in value.items()))
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    return tuple(value) if isinstance(value, list) else repr(value)
