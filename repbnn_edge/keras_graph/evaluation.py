"""Runs a ``Graph`` eagerly, call by call, some calls replaced and some values kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from numpy.typing import NDArray

from repbnn_edge import stack
from repbnn_edge.keras_graph.graph import Graph, Node, Rewrite
from repbnn_edge.keras_graph.rebuilding import flat_result
from repbnn_edge.keras_graph.walker import walk


def evaluate(
    model: Any,
    batch: NDArray[Any] | Sequence[NDArray[Any]],
    override: Rewrite | None = None,
    taps: Collection[str] | None = None,
) -> dict[str, NDArray[Any]]:
    """Run a model in inference mode and keep what its nodes give.

    Args:
        model: a Keras model or a ``Graph``.
        batch: the input, batch first; a sequence of arrays for several inputs.
        override: ``override(node, tensors)`` gives what stands for the node's result, or None to run it. What it
            gives (tensors or arrays) is what later nodes read.
        taps: the ``Value.tap`` names to keep; None keeps all. Other values are freed after their last reader.

    Returns:
        the arrays by tap.

    Raises:
        BadInputError, UnsupportedError: as ``walk``.
        KeyError: a tap that the network has not.
    """
    tf = stack.tensorflow()
    graph = walk(model)
    wanted = _wanted(graph, taps)
    batches = [batch] if len(graph.inputs) == 1 and not isinstance(batch, list | tuple) else list(batch)
    tensors: dict[str, Any] = {}
    for value, array in zip(graph.inputs, batches, strict=True):
        tensors[value.tap] = tf.convert_to_tensor(array, value.dtype)
    kept = {tap: tensors[tap].numpy() for tap in wanted if tap in tensors}
    last_reader = {value.tap: node for node in graph.nodes for value in node.inputs}
    for node in graph.nodes:
        given = tuple(tensors[value.tap] for value in node.inputs)
        result = override(node, given) if override else None
        if result is None:
            result = _call_for_inference(node, given)
        for value, tensor in zip(node.outputs, flat_result(node, result), strict=True):
            tensors[value.tap] = tf.convert_to_tensor(tensor)
            if value.tap in wanted:
                kept[value.tap] = tensors[value.tap].numpy()
        for tap in {value.tap for value in (*node.inputs, *node.outputs)}:
            if last_reader.get(tap, node) is node:
                del tensors[tap]
    return kept


def _wanted(graph: Graph, taps: Collection[str] | None) -> set[str]:
    known = {value.tap for value in graph.inputs} | {value.tap for node in graph.nodes for value in node.outputs}
    if taps is None:
        return known
    if unknown := sorted(set(taps) - known):
        raise KeyError(f"no tap {unknown[0]!r} in {graph.name}")
    return set(taps)


def _call_for_inference(node: Node, tensors: tuple[Any, ...]) -> Any:
    args, kwargs = node.map_arguments(tensors)
    if node.layer._call_spec.expects_training_arg:
        kwargs = {**kwargs, "training": False}
    return node.layer(*args, **kwargs)
