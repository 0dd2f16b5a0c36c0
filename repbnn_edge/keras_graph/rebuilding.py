"""Builds a Keras model from a ``Graph``, some calls replaced."""

from __future__ import annotations

import contextlib
import logging
import types
from collections.abc import Iterator, Sequence
from typing import Any

from repbnn_edge import stack
from repbnn_edge.errors import RepbnnError, UnsupportedError
from repbnn_edge.keras_graph.graph import Node, Rewrite
from repbnn_edge.keras_graph.walker import walk


def rebuild(
    model: Any,
    rewrite: Rewrite | None = None,
    *,
    copy_layers: bool = True,
    input_shapes: Sequence[tuple[int | None, ...]] | None = None,
    name: str | None = None,
) -> Any:
    """A functional model of the same calls, except where ``rewrite`` gives another result.

    Args:
        model: a Keras model or a ``Graph``.
        rewrite: ``rewrite(node, tensors)`` gives the node's new outputs, or None to leave it.
        copy_layers: make fresh layers and copy their weights; False calls the model's own layers once more,
            except those that need another name.
        input_shapes: (batch, ...) of each input, in place of the model's own.
        name: of the new model, by default the old one's.

    Returns:
        a Keras model whose layer names are the nodes' ``layer_name``.

    Raises:
        BadInputError, UnsupportedError: as ``walk`` and ``copy_layer``.
    """
    tf = stack.tensorflow()
    graph = walk(model)
    shapes = [value.shape for value in graph.inputs] if input_shapes is None else list(input_shapes)
    inputs = [
        tf.keras.Input(shape[1:], batch_size=shape[0], dtype=value.dtype, name=value.tap)
        for value, shape in zip(graph.inputs, shapes, strict=True)
    ]
    tensors: dict[str, Any] = dict(zip((value.tap for value in graph.inputs), inputs, strict=True))
    layers = _Layers(copy_layers)
    for node in graph.nodes:
        given = tuple(tensors[value.tap] for value in node.inputs)
        result = rewrite(node, given) if rewrite else None
        if result is None:
            result = layers.call(node, given)
        tensors.update(zip((value.tap for value in node.outputs), flat_result(node, result), strict=True))
    outputs = tf.nest.pack_sequence_as(graph.output_structure, [tensors[value.tap] for value in graph.outputs])
    structure = inputs[0] if len(inputs) == 1 else inputs
    return tf.keras.Model(structure, outputs, name=name or graph.name)


def copy_layer(layer: Any, name: str | None = None, *, kind: Any = None, **changes: Any) -> Any:
    """A fresh layer from the configuration of ``layer``, some of it changed; its weights start afresh.

    ``kind`` is another class to make it of, one that takes the configuration too.

    Quantisers, regularisers and constraints that the configuration cannot hold (plain Python functions) are
    handed over as they are.

    Raises:
        UnsupportedError: the configuration does not make the layer again.
    """
    name = name or layer.name
    if hasattr(layer, "symbol"):  # a wrapped TensorFlow function may have no public name to be found by
        return type(layer)(layer.function, name=name)
    try:
        config = layer.get_config()
        functions = {key: getattr(layer, key) for key in config if _is_plain_function(getattr(layer, key, None))}
        with _hints_given_once():
            return (kind or type(layer)).from_config({**config, **functions, "name": name, **changes})
    except RepbnnError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}".rstrip(".")
        raise UnsupportedError(
            layer.name,
            f"it cannot be made again from its configuration ({why})",
            "give its class a complete get_config",
        ) from error


def copy_weights(source: Any, target: Any) -> None:
    """Copy all variables of a built layer to another of the same configuration."""
    for old, new in zip(source.weights, target.weights, strict=True):
        new.assign(old)


def flat_result(node: Node, result: Any) -> list[Any]:
    """One tensor for each of the node's outputs."""
    flat: list[Any] = stack.tensorflow().nest.flatten(result)
    if len(flat) != len(node.outputs):
        raise ValueError(f"{node.name} gives {len(node.outputs)} tensors, its replacement {len(flat)}")
    return flat


class _Layers:
    """The layers of the new model: copies made at their first call, or the old ones where that is enough."""

    def __init__(self, copy_all: bool) -> None:
        self._copy_all = copy_all
        self._copies: dict[int, Any] = {}

    def call(self, node: Node, tensors: tuple[Any, ...]) -> Any:
        if not self._copy_all and node.layer.name == node.layer_name:
            return node.call(tensors)
        known = self._copies.get(id(node.layer))
        if known is not None:
            return node.call(tensors, known)
        copy = self._copies[id(node.layer)] = copy_layer(node.layer, node.layer_name)
        result = node.call(tensors, copy)
        copy_weights(node.layer, copy)
        return result


@contextlib.contextmanager
def _hints_given_once() -> Iterator[None]:
    """Larq hints at missing weight clips whenever a layer is made; whoever made the original has read it."""
    logger = logging.getLogger("larq.layers_base")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _is_plain_function(value: Any) -> bool:
    return isinstance(value, types.FunctionType)
