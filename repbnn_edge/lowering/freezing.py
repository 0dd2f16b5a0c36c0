"""Traces a plan and freezes it: one GraphDef, every variable a constant, nothing on disk.

Keras' own save takes nine tenths of the time of LCE's ``convert_keras_model``; tracing a plan takes none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from repbnn_edge import stack
from repbnn_edge.errors import UnsupportedError
from repbnn_edge.lowering.emitting import emit
from repbnn_edge.lowering.plan import Plan

_FUNCTION_OPERATIONS = {"PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "While", "StatelessWhile"}
_LARGEST = (1 << 31) - 1  # what protobuf reads back


@dataclass(frozen=True)
class FrozenGraph:
    """A graph without variables.

    Attributes:
        graph_def: serialised.
        inputs: (name, shape) of each placeholder, batch size 1.
        outputs: names of the output operations.
    """

    graph_def: bytes
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[str, ...]


def freeze(plan: Plan) -> FrozenGraph:
    """Trace a plan and put its variables' values in their place.

    Raises:
        UnsupportedError: a layer with state of its own (a table, a random generator), or weights beyond 2 GB.
    """
    tf = stack.tensorflow()
    names = [_safe(name) for name in plan.inputs]
    specs = [tf.TensorSpec(plan.shape(value), tf.float32, name) for value, name in zip(plan.inputs, names, strict=True)]
    outputs: list[str] = []

    def body(*inputs: Any) -> list[Any]:
        results = [tf.identity(y, name="output") for y in emit(plan, list(inputs))]
        outputs[:] = [result.op.name for result in results]
        return results

    traced = tf.function(body, autograph=False).get_concrete_function(*specs)
    graph_def = _with_constants(traced)
    # What the graph captured stands behind the inputs proper.
    given = traced.inputs[: len(specs)]
    return FrozenGraph(
        graph_def=_serialised(graph_def),
        inputs=tuple((tensor.op.name, tuple(tensor.shape.as_list())) for tensor in given),
        outputs=tuple(outputs),
    )


def _with_constants(traced: Any) -> Any:
    """The traced graph with what it captured, variables and arrays, as constants."""
    tf = stack.tensorflow()
    graph = traced.graph
    source = graph.as_graph_def()
    if source.library.function or any(node.op in _FUNCTION_OPERATIONS for node in source.node):
        return _inlined(traced)
    variables = {id(variable.handle): variable for variable in graph.variables}
    captured = {inner.op.name: variables.get(id(outer), outer) for outer, inner in graph.captures}
    frozen = tf.compat.v1.GraphDef()
    frozen.versions.CopyFrom(source.versions)
    for node in source.node:
        owner = captured.get(node.name)
        if owner is not None:
            if owner.dtype != tf.resource and not isinstance(owner, tf.Variable):
                _add_constant(frozen, node.name, owner.numpy())
        elif node.op == "ReadVariableOp" and isinstance(captured.get(node.input[0]), tf.Variable):
            _add_constant(frozen, node.name, captured[node.input[0]].numpy())
        else:
            _check_inputs(node, captured)
            frozen.node.append(node)
    return frozen


def _inlined(traced: Any) -> Any:
    """The same where a layer has a tf.function of its own: TensorFlow's way, which is slower, inlines it."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(traced).graph.as_graph_def()


def _check_inputs(node: Any, captured: dict[str, Any]) -> None:
    for name in node.input:
        owner = captured.get(name.split(":")[0].lstrip("^"))
        if owner is not None and (isinstance(owner, stack.tensorflow().Variable) or owner.dtype.name == "resource"):
            raise UnsupportedError(
                node.name, f"{node.op} keeps a state, which a flatbuffer has not", "replace it by a layer without state"
            )


def _add_constant(graph_def: Any, name: str, value: Any) -> None:
    tf = stack.tensorflow()
    node = graph_def.node.add(op="Const", name=name)
    dtype = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["dtype"].type = dtype
    tensor = node.attr["value"].tensor
    tensor.dtype = dtype
    for size in value.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = value.tobytes()


def _serialised(graph_def: Any) -> bytes:
    data: bytes = graph_def.SerializeToString(deterministic=True)
    if len(data) > _LARGEST:
        raise UnsupportedError(
            "the network", f"its weights take {len(data) >> 20} MB as float32", "convert one of at most 2 GB"
        )
    return data


def _safe(name: str) -> str:
    safe = "".join(c if (c.isalnum() and c.isascii()) or c == "_" else "_" for c in name)
    return safe if safe[:1].isalpha() else f"input_{safe}"
