"""Gives a file whose weights are stored small its weights back as float32: what a proof compares a shrunk file with.

Given::

    CONV_2D or FULLY_CONNECTED(x, w: int8 constant with scales, b), x float32
    CONV_2D or FULLY_CONNECTED(x, DEQUANTIZE(w: float16 constant), b)

Result::

    CONV_2D or FULLY_CONNECTED(x, w: float32 constant, b)

The values are the dequantised ones, exactly: a float16, or an int8 times its filter's scale, rounded once to float32.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.tflite.contents import TYPE_CODES
from repbnn_edge.tflite.passes import weights
from repbnn_edge.tflite.schema import Model


def run(model: Model) -> Model:
    """Give a copy of ``model`` with float32 weights; tensors keep their indices."""
    twin = model.copy()
    gone = set()
    for operator in model.operators:
        if operator.op in weights.LAYERS and model.tensors[operator.inputs[0]].type == "float32":
            values = _int8(model, operator.inputs[1])
            if values is not None:
                _store(twin, operator.inputs[1], values)
        elif operator.op == "DEQUANTIZE" and model.tensors[operator.inputs[0]].type == "float16":
            narrow = model.constant(operator.inputs[0])
            if narrow is not None:
                _store(twin, operator.outputs[0], narrow.astype(np.float32))
                gone.add(operator.index)
    twin.graph.operators = [item for index, item in enumerate(twin.graph.operators) if index not in gone]
    return Model(twin.raw)


def _int8(model: Model, tensor: int) -> NDArray[np.float32] | None:
    """The values that symmetric int8 weights stand for."""
    narrow = model.constant(tensor)
    quantization = model.graph.tensors[tensor].quantization
    if narrow is None or narrow.dtype != np.int8 or quantization is None or quantization.scale is None:
        return None
    scales = np.asarray(quantization.scale, np.float32)
    shape = [1] * narrow.ndim
    if len(scales) > 1:
        shape[quantization.quantizedDimension] = len(scales)
    return narrow.astype(np.float32) * scales.reshape(shape)


def _store(model: Model, tensor: int, values: NDArray[np.float32]) -> None:
    raw = model.graph.tensors[tensor]
    raw.type, raw.quantization = TYPE_CODES["float32"], None
    raw.buffer = weights.new_buffer(model, values)
