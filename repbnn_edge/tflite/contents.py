"""Whether the numbers in a TFLite model fit each other, and what a constant's bytes mean."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPE_NAMES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    5: "string",
    6: "bool",
    7: "int16",
    8: "complex64",
    9: "int8",
    10: "float64",
    11: "complex128",
    12: "uint64",
    13: "resource",
    14: "variant",
    15: "uint32",
    16: "uint16",
    17: "int4",
    18: "bfloat16",
    19: "int2",
}
TYPE_CODES = {name: code for code, name in TYPE_NAMES.items()}
_BITS = {"int4": 4, "int2": 2, "bfloat16": 16}
_UNSIZED = {"string", "resource", "variant"}


class ContradictionError(ValueError):
    """Numbers of the model contradict each other; the message is a clause that names where."""


class OutsideError(ValueError):
    """Weights are kept outside the flatbuffer; the message is a clause."""


def check(raw: Any) -> None:
    """Check every index, shape and constant of a ``ModelT`` whose structure holds.

    Raises:
        ContradictionError: an index without its thing, a negative dimension, a constant of another size than its
            shape says, or a tensor that is read before it is written.
        OutsideError: buffers or options that stand behind the flatbuffer.
    """
    if not raw.subgraphs:
        raise ContradictionError("it has no subgraph")
    if raw.externalBuffers or any(buffer.offset > 1 for buffer in raw.buffers or []):
        raise OutsideError("it keeps weights outside the flatbuffer")
    for entry in raw.metadata or []:
        _index(entry.buffer, raw.buffers, "a metadata entry names buffer")
    for number, graph in enumerate(raw.subgraphs):
        _check_graph(raw, graph, "" if number == 0 else f" of subgraph {number}")
    for signature in raw.signatureDefs or []:
        _index(signature.subgraphIndex, raw.subgraphs, "a signature names subgraph")
        tensors = raw.subgraphs[signature.subgraphIndex].tensors
        for entry in [*(signature.inputs or []), *(signature.outputs or [])]:
            _index(entry.tensorIndex, tensors, "a signature names tensor")


def _check_graph(raw: Any, graph: Any, where: str) -> None:
    for index, tensor in enumerate(graph.tensors or []):
        _check_tensor(raw, tensor, f"tensor {index}{where}")
    for index in [*_list(graph.inputs), *_list(graph.outputs)]:
        _index(index, graph.tensors, f"an input or output{where} is tensor")
    written: set[int] = set()
    for index, operator in enumerate(graph.operators or []):
        _check_operator(raw, graph, operator, f"operator {index}{where}")
        outputs = [int(tensor) for tensor in _list(operator.outputs)]
        if written.intersection(outputs):
            raise ContradictionError(f"operator {index}{where} writes a tensor that another one writes too")
        written.update(outputs)
    _check_order(graph, written, where)


def _check_order(graph: Any, written: set[int], where: str) -> None:
    seen: set[int] = set()
    for index, operator in enumerate(graph.operators or []):
        early = written.intersection(int(tensor) for tensor in _list(operator.inputs)) - seen
        if early:
            raise ContradictionError(f"operator {index}{where} reads tensor {min(early)} before it is written")
        seen.update(int(tensor) for tensor in _list(operator.outputs))


def _check_operator(raw: Any, graph: Any, operator: Any, what: str) -> None:
    _index(operator.opcodeIndex, raw.operatorCodes, f"{what} has operator code")
    if operator.largeCustomOptionsOffset > 1:
        raise OutsideError(f"{what} keeps its options outside the flatbuffer")
    for tensor in _list(operator.inputs):
        if tensor != -1:
            _index(tensor, graph.tensors, f"{what} reads tensor")
    for tensor in [*_list(operator.outputs), *_list(operator.intermediates)]:
        _index(tensor, graph.tensors, f"{what} writes tensor")


def _check_tensor(raw: Any, tensor: Any, what: str) -> None:
    if tensor.type not in TYPE_NAMES:
        raise ContradictionError(f"{what} has the unknown type {tensor.type}")
    if tensor.externalBuffer:
        raise OutsideError(f"{what} keeps its values outside the flatbuffer")
    _index(tensor.buffer, raw.buffers, f"{what} has buffer")
    shape = [int(size) for size in _list(tensor.shape)]
    if min(shape, default=0) < 0:
        raise ContradictionError(f"{what} has the impossible shape {shape}")
    data = raw.buffers[tensor.buffer].data
    if data is not None and len(data) and has_values(tensor) and len(data) != bytes_of(tensor):
        raise ContradictionError(f"{what} has {len(data)} bytes where its shape needs {bytes_of(tensor)}")
    _check_quantization(tensor, shape, what)


def _check_quantization(tensor: Any, shape: list[int], what: str) -> None:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) < 2:
        return
    axis = quantization.quantizedDimension
    if not 0 <= axis < len(shape) or len(quantization.scale) != shape[axis]:
        raise ContradictionError(f"{what} has {len(quantization.scale)} scales that fit none of its dimensions")


def has_values(tensor: Any) -> bool:
    """Whether a constant of this tensor is a dense array of numbers."""
    return TYPE_NAMES[tensor.type] not in _UNSIZED and tensor.sparsity is None and not tensor.variantTensors


def bytes_of(tensor: Any) -> int:
    """The bytes that a dense tensor of this type and shape takes; types below 8 bits are packed."""
    name = TYPE_NAMES[tensor.type]
    bits = _BITS.get(name) or 8 * np.dtype(name).itemsize
    return (math.prod(int(size) for size in _list(tensor.shape)) * bits + 7) // 8


def values(tensor: Any, data: NDArray[np.uint8]) -> NDArray[Any] | None:
    """A constant's bytes as an array; bfloat16 is widened to float32, int4 and int2 to int8."""
    if not has_values(tensor):
        return None
    name, shape = TYPE_NAMES[tensor.type], tuple(int(size) for size in _list(tensor.shape))
    if name in ("int4", "int2"):
        return _widen(data, _BITS[name], math.prod(shape)).reshape(shape)
    if name == "bfloat16":
        return (data.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return data.view(name).reshape(shape)


def _widen(data: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.int8]:
    """Two's complement numbers of ``bits`` bits, the first in the lowest bits of its byte."""
    per_byte = 8 // bits
    spread = (data[:, None] << (8 - bits - bits * np.arange(per_byte))).astype(np.uint8).view(np.int8)
    return (spread >> (8 - bits)).reshape(-1)[:count]


def _index(index: int, things: Any, what: str) -> None:
    if not 0 <= index < len(things or []):
        raise ContradictionError(f"{what} {index} of {len(things or [])}")


def _list(values: Any) -> Any:
    return [] if values is None else values
