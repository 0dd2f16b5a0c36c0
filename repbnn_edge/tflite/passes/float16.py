"""Stores float32 weights as float16.

Given::

    CONV_2D or FULLY_CONNECTED(x, w: float32 constant, b)

Result::

    w32 = DEQUANTIZE(w: float16 constant)
    CONV_2D or FULLY_CONNECTED(x, w32, b)

Every weight is rounded to the nearest float16, ties to even. Runtimes widen the constant once, when they load the file.
Weights beyond float16's range (65,504) are left as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.tflite import schema
from repbnn_edge.tflite.contents import TYPE_CODES
from repbnn_edge.tflite.passes import weights
from repbnn_edge.tflite.schema import Model

_LARGEST = float(np.finfo(np.float16).max)
_DEQUANTIZE = "DEQUANTIZE"
_VERSION = 3  # of DEQUANTIZE, for float16


def run(model: Model, operators: frozenset[int]) -> Model:
    """Give a copy of ``model`` whose layers among ``operators`` have float16 weights."""
    twin = model.copy()
    before: dict[int, list[Any]] = {}
    for tensor, readers in weights.candidates(model, operators):
        values = model.constant(tensor)
        assert values is not None
        if np.abs(values).max() > _LARGEST:
            continue
        wide = _widen(twin, tensor, values.astype(np.float16))
        for reader in readers:
            inputs = list(reader.inputs)
            inputs[1] = wide
            twin.graph.operators[reader.index].inputs = inputs
        before.setdefault(readers[0].index, []).append(_dequantize(twin, tensor, wide))
    twin.graph.operators = [
        item for index, operator in enumerate(twin.graph.operators) for item in [*before.get(index, []), operator]
    ]
    return Model(twin.raw)


def _widen(model: Model, tensor: int, values: NDArray[np.float16]) -> int:
    """Make the constant float16, and give a new float32 tensor of its shape and name."""
    classes = schema.generated()
    narrow = model.graph.tensors[tensor]
    wide = classes.TensorT(shape=narrow.shape, type=TYPE_CODES["float32"], name=narrow.name)
    narrow.type = TYPE_CODES["float16"]
    narrow.buffer = weights.new_buffer(model, values)
    narrow.name = (narrow.name or b"") + b"/float16"
    model.graph.tensors.append(wide)
    return len(model.graph.tensors) - 1


def _dequantize(model: Model, narrow: int, wide: int) -> Any:
    classes = schema.generated()
    return classes.OperatorT(
        opcodeIndex=schema.operator_code(model, _DEQUANTIZE, _VERSION),
        inputs=[narrow],
        outputs=[wide],
        builtinOptionsType=classes.BuiltinOptions.DequantizeOptions,
        builtinOptions=classes.DequantizeOptionsT(),
    )
