"""Writes small flatbuffers operator by operator, LCE's among them, for tests of what runs them."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

_TYPES = {"float32": schema.TensorType.FLOAT32, "int32": schema.TensorType.INT32}
_PACKED_AS = "int32"


class Writer:
    """A network with one float input; tensors are indices."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self._model, self._graph = schema.ModelT(), schema.SubGraphT()
        self._model.version, self._model.description = 3, "a test"
        self._model.operatorCodes, self._model.buffers, self._model.subgraphs = [], [schema.BufferT()], [self._graph]
        self._graph.tensors, self._graph.operators, self._graph.inputs, self._graph.outputs = [], [], [], []

    def tensor(self, shape: tuple[int, ...], kind: str = "float32") -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = f"t{len(self._graph.tensors)}", list(shape), 0, 0
        tensor.type = _TYPES[kind]
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def input(self, shape: tuple[int, ...]) -> int:
        index = self.tensor(shape)
        self._graph.inputs.append(index)
        return index

    def constant(self, values: Any) -> int:
        array = np.asarray(values)
        index = self.tensor(array.shape, array.dtype.name)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        self._graph.tensors[index].buffer = len(self._model.buffers) - 1
        return index

    def floats(self, *shape: int) -> int:
        return self.constant(self.random.normal(size=shape).astype(np.float32))

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self._graph.tensors[tensor].shape)

    def add(self, name: str, inputs: list[int], *shapes: tuple[int, ...], version: int = 1, **options: Any) -> Any:
        """Append a builtin operator; ``options`` are the fields of its schema table. Returns its output, or outputs."""
        operator = schema.OperatorT()
        operator.inputs, operator.outputs = inputs, [self.tensor(shape) for shape in shapes]
        operator.opcodeIndex = self._code(getattr(schema.BuiltinOperator, name), None, version)
        table = options.pop("table", None)
        if table is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = getattr(schema, f"{table}T")()
            for key, value in options.items():
                setattr(operator.builtinOptions, key, value)
        self._graph.operators.append(operator)
        return operator.outputs[0] if len(shapes) == 1 else tuple(operator.outputs)

    def quantize(self, tensor: int) -> int:
        *outer, channels = self.shape(tensor)
        return self._custom("LceQuantize", [tensor], (*outer, (channels + 31) // 32), _PACKED_AS, None)

    def dequantize(self, packed: int, channels: int) -> int:
        return self._custom("LceDequantize", [packed], (*self.shape(packed)[:-1], channels), "float32", None)

    def bconv2d(self, packed: int, channels: int, kernel: int = 1, pad_values: int = 1) -> int:
        """A SAME convolution from ``channels`` to as many."""
        words = self.shape(packed)[-1]
        weights = self.random.integers(0, 2**32, (channels, kernel, kernel, words), np.uint64)
        if channels % 32:
            weights[..., -1] &= (1 << channels % 32) - 1
        options = {
            "channels_in": channels, "dilation_height_factor": 1, "dilation_width_factor": 1,
            "fused_activation_function": 0, "pad_values": pad_values, "padding": 0,
            "stride_height": 1, "stride_width": 1,
        }  # fmt: skip
        inputs = [packed, self.constant(weights.astype(np.uint32).view(np.int32))]
        inputs += [self.floats(channels), self.floats(channels), -1]
        return self._custom("LceBconv2d", inputs, (*self.shape(packed)[:-1], channels), "float32", options)

    def write(self, *outputs: int) -> bytes:
        self._graph.outputs = list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _custom(self, name: str, inputs: list[int], shape: Any, kind: str, options: dict[str, int] | None) -> int:
        operator = schema.OperatorT()
        operator.inputs, operator.outputs = inputs, [self.tensor(shape, kind)]
        operator.opcodeIndex = self._code(schema.BuiltinOperator.CUSTOM, name, 1)
        if options is not None:
            builder = flexbuffers.Builder()
            builder.MapFromElements(options)
            operator.customOptions = np.frombuffer(bytes(builder.Finish()), np.uint8)
        self._graph.operators.append(operator)
        return int(operator.outputs[0])

    def _code(self, builtin: int, custom: str | None, version: int) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = builtin, min(builtin, 127), version
        code.customCode = custom
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1
