"""What an operator costs: multiply-accumulates of convolutions and dense layers, padding taps counted, and bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from repbnn_edge.errors import BadInputError
from repbnn_edge.tflite import contents, lce
from repbnn_edge.tflite.schema import Model, Operator


def macs(model: Model, operator: Operator) -> int:
    """Multiply-accumulates of one run: H_out * W_out * k * k * C_in * C_out / groups; 0 for all other operators.

    Raises:
        BadInputError: a convolution or dense layer whose tensors have shapes that it cannot have.
    """
    if operator.op == lce.BCONV:
        layer = lce.read_bconv2d(model, operator)
        per_output = math.prod(layer.kernel) * layer.channels_in // layer.groups
        return math.prod(model.tensors[layer.input].shape[:1] + _map(model, layer)) * layer.channels_out * per_output
    count = _COUNTS.get(operator.op)
    if count is None:
        return 0
    try:
        return count(model, operator)
    except IndexError as error:
        raise BadInputError(
            f"operator {operator.index} ({operator.op})", "its tensors lack a dimension", "convert the network again"
        ) from error


def weight_bytes(model: Model, operator: Operator) -> int:
    """Bytes of an operator's constants; one that operators share counts for each."""
    return sum(model.tensors[tensor].bytes for tensor in constants(model, operator))


def activation_bytes(model: Model, operator: Operator) -> int:
    """Bytes that an operator reads and writes besides its constants, if nothing is fused."""
    kept = set(constants(model, operator))
    maps = [tensor for tensor in (*operator.inputs, *operator.outputs) if tensor >= 0 and tensor not in kept]
    return sum(_bytes(model, tensor) for tensor in maps)


def constants(model: Model, operator: Operator) -> list[int]:
    """The constant tensors among an operator's inputs."""
    return [tensor for tensor in dict.fromkeys(operator.inputs) if tensor >= 0 and model.tensors[tensor].constant]


def parameters(model: Model, operators: Iterable[Operator]) -> tuple[int, int]:
    """(binary, other) weights behind some operators, each buffer once; shapes, axes and the like are no weights."""
    binary = other = 0
    seen: set[int] = set()
    for operator in operators:
        for tensor in constants(model, operator):
            if model.tensors[tensor].buffer in seen:
                continue
            seen.add(model.tensors[tensor].buffer)
            if operator.op == lce.BCONV and tensor == operator.inputs[1]:
                layer = lce.read_bconv2d(model, operator)
                binary += layer.channels_out * math.prod(layer.kernel) * layer.channels_in // layer.groups
            elif model.tensors[tensor].type not in ("int32", "int64") or operator.op in _INTEGER_WEIGHTS:
                other += math.prod(model.tensors[tensor].shape)
    return binary, other


def _map(model: Model, layer: lce.Bconv2d) -> tuple[int, ...]:
    return model.tensors[layer.output].shape[1:3]


def _bytes(model: Model, tensor: int) -> int:
    raw = model.graph.tensors[tensor]
    return contents.bytes_of(raw) if contents.has_values(raw) else 0


def _elements(model: Model, tensor: int) -> int:
    return math.prod(model.tensors[tensor].shape)


def _convolution(model: Model, operator: Operator) -> int:
    _, rows, columns, channels = _four(model.tensors[operator.inputs[1]].shape)
    return _elements(model, operator.outputs[0]) * rows * columns * channels


def _depthwise(model: Model, operator: Operator) -> int:
    _, rows, columns, _ = _four(model.tensors[operator.inputs[1]].shape)
    return _elements(model, operator.outputs[0]) * rows * columns


def _transposed(model: Model, operator: Operator) -> int:
    filters, rows, columns, _ = _four(model.tensors[operator.inputs[1]].shape)
    return _elements(model, operator.inputs[2]) * rows * columns * filters


def _convolution_3d(model: Model, operator: Operator) -> int:
    return _elements(model, operator.outputs[0]) * math.prod(model.tensors[operator.inputs[1]].shape[:4])


def _dense(model: Model, operator: Operator) -> int:
    return _elements(model, operator.outputs[0]) * model.tensors[operator.inputs[1]].shape[-1]


def _matrix_product(model: Model, operator: Operator) -> int:
    shape = model.tensors[operator.inputs[0]].shape
    transposed = bool(getattr(operator.options, "adjX", False))
    return _elements(model, operator.outputs[0]) * shape[-2 if transposed else -1]


def _four(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    return shape[0], shape[1], shape[2], shape[3]


_COUNTS: dict[str, Callable[[Model, Operator], int]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "CONV_3D": _convolution_3d,
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _matrix_product,
}
# Biases and thresholds are int32 here; elsewhere int32 constants are shapes and axes.
_INTEGER_WEIGHTS = frozenset({*_COUNTS, lce.BCONV})
