"""Cuts a runnable piece out of a model: how one layer is checked alone, or one operator timed alone."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from repbnn_edge.errors import UnsupportedError, UsageError
from repbnn_edge.tflite import schema
from repbnn_edge.tflite.schema import Model, Operator

# Operators that run other subgraphs, which a piece does not carry.
_CONTROL_FLOW = frozenset(
    {"IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE"}
)


def cut(model: Model, operators: Iterable[int], inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
    """Make a flatbuffer of some operators of a model; the model stays as it is.

    Args:
        model: any checked model; its main subgraph is cut.
        operators: indices of the operators to keep, in any order; they keep the model's order.
        inputs: tensor indices that become the piece's inputs, in this order, a constant among them included.
        outputs: tensor indices that become the piece's outputs, in this order.

    Returns:
        A whole TFLite file with only the tensors, constants and operator codes that the piece needs, under the
        names that they had. Signatures and metadata stay behind.

    Raises:
        UsageError: an operator of the piece reads, or the piece gives, a tensor that nobody in the piece computes.
        UnsupportedError: an operator that runs other subgraphs.
    """
    kept = [model.operators[index] for index in sorted(set(operators))]
    _check(model, kept, inputs, outputs)
    used = {tensor for operator in kept for tensor in _touched(model, operator)}
    tensors = sorted(used.union(inputs, outputs))
    return schema.pack(_piece(model, kept, tensors, inputs, outputs))


def _touched(model: Model, operator: Operator) -> list[int]:
    intermediates = model.graph.operators[operator.index].intermediates
    scratch = [] if intermediates is None else [int(tensor) for tensor in intermediates]
    return [tensor for tensor in (*operator.inputs, *operator.outputs, *scratch) if tensor >= 0]


def _check(model: Model, kept: Sequence[Operator], inputs: Sequence[int], outputs: Sequence[int]) -> None:
    made = {tensor for operator in kept for tensor in operator.outputs}
    for tensor in inputs:
        if tensor in made:
            raise UsageError(_name(model, tensor), "the piece computes this input itself", "leave one of them out")
    for operator in kept:
        if operator.op in _CONTROL_FLOW:
            raise UnsupportedError(
                f"operator {operator.index} ({operator.op})", "it runs another subgraph", "cut beside it"
            )
        for tensor in operator.inputs:
            if tensor >= 0 and tensor not in made and tensor not in inputs and not model.tensors[tensor].constant:
                raise UsageError(
                    _name(model, tensor), f"operator {operator.index} reads it and nobody gives it", "add an input"
                )
    for tensor in outputs:
        if tensor not in made and tensor not in inputs:
            raise UsageError(_name(model, tensor), "no operator of the piece computes this output", "add its operator")


def _piece(
    model: Model, kept: Sequence[Operator], tensors: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]
) -> Model:
    classes = schema.generated()
    place = {tensor: index for index, tensor in enumerate(tensors)}
    buffers, tensor_objects = [classes.BufferT()], []
    buffer_place = {0: 0}
    for tensor in tensors:
        twin = copy.copy(model.graph.tensors[tensor])
        # What the piece is given must not stand in the file: TFLite would take it for a constant.
        old = 0 if tensor in inputs or not model.tensors[tensor].constant else twin.buffer
        if old not in buffer_place:
            buffer_place[old] = len(buffers)
            buffers.append(model.raw.buffers[old])
        twin.buffer = buffer_place[old]
        tensor_objects.append(twin)
    codes, operators = _operators(model, kept, place)
    graph = classes.SubGraphT(
        tensors=tensor_objects,
        inputs=[place[tensor] for tensor in inputs],
        outputs=[place[tensor] for tensor in outputs],
        operators=operators,
        name=model.graph.name,
    )
    return Model(classes.ModelT(version=model.raw.version, operatorCodes=codes, subgraphs=[graph], buffers=buffers))


def _operators(model: Model, kept: Sequence[Operator], place: dict[int, int]) -> tuple[list[Any], list[Any]]:
    codes: list[Any] = []
    code_place: dict[int, int] = {}
    operators = []
    for operator in kept:
        twin = copy.copy(model.graph.operators[operator.index])
        if twin.opcodeIndex not in code_place:
            code_place[twin.opcodeIndex] = len(codes)
            codes.append(model.raw.operatorCodes[twin.opcodeIndex])
        twin.opcodeIndex = code_place[twin.opcodeIndex]
        twin.inputs = [place.get(tensor, -1) for tensor in operator.inputs]
        twin.outputs = [place[tensor] for tensor in operator.outputs]
        if twin.intermediates is not None:
            twin.intermediates = [place[int(tensor)] for tensor in twin.intermediates]
        twin.debugMetadataIndex = -1
        operators.append(twin)
    return codes, operators


def _name(model: Model, tensor: int) -> str:
    return f"tensor {tensor} ({model.tensors[tensor].name})"
