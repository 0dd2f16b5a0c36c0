"""Stores float32 weights as int8, one scale a filter; a layer's input and output stay float32 ("hybrid").

Given::

    y = CONV_2D(x, w: float32 constant, b)
    y = FULLY_CONNECTED(x, w: float32 constant, b)

Result::

    y = CONV_2D(x, w: int8 constant with one scale a filter, b)
    s = FULLY_CONNECTED(x, w: int8 constant of scale 1);  t = MUL(s, scales);  y = ADD(t, b)

The scale of a filter is its largest magnitude / 127, in float32; a weight is rounded to the nearest, ties to even. At
run time the kernel quantises x to int8, sums in integers and gives float32.

Why the dense layer's scales stand in an operator of their own: TFLite 2.14 reads a dense layer with one scale a filter
without a word and gives zeros, and LCE 0.16 refuses the operator version that would say so. This form is right in every
runtime, and costs two operations a class.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.tflite import schema
from repbnn_edge.tflite.contents import TYPE_CODES
from repbnn_edge.tflite.passes import weights
from repbnn_edge.tflite.schema import Model, Operator

# The version from which a runtime knows what is asked of an operator; an older one says that it does not.
_VERSIONS = {"CONV_2D": 5, "FULLY_CONNECTED": 9, "MUL": 1, "ADD": 1}


def run(model: Model, operators: frozenset[int]) -> Model:
    """Give a copy of ``model`` whose layers among ``operators`` have int8 weights."""
    twin = model.copy()
    after: dict[int, list[Any]] = {}
    for tensor, readers in weights.candidates(model, operators):
        values = model.constant(tensor)
        assert values is not None
        dense = {reader.op == "FULLY_CONNECTED" for reader in readers}
        if len(dense) > 1:  # one tensor cannot have both forms
            continue
        narrow, scales = quantize(values)
        _store(twin, tensor, narrow, np.ones(1, np.float32) if True in dense else scales)
        for reader in readers:
            layer = twin.graph.operators[reader.index]
            layer.opcodeIndex = schema.operator_code(twin, reader.op, _VERSIONS[reader.op])
            if reader.op == "FULLY_CONNECTED":
                after[reader.index] = _scale_behind(twin, reader, layer, scales)
    twin.graph.operators = [
        item for index, operator in enumerate(twin.graph.operators) for item in [operator, *after.get(index, [])]
    ]
    return Model(twin.raw)


def quantize(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """float32 (filters, ...) to int8 of the same shape in -127..127, and float32 scales, one a filter."""
    largest = np.abs(values.reshape(len(values), -1)).max(axis=1)
    scales = (largest / np.float32(127)).astype(np.float32)
    # A filter of zeros, or of denormals whose scale would be 0, is 0 at any scale.
    scales[scales < np.finfo(np.float32).tiny] = 1
    spread = scales.reshape(-1, *[1] * (values.ndim - 1))
    return np.clip(np.rint(values / spread), -127, 127).astype(np.int8), scales


def _store(model: Model, tensor: int, values: NDArray[np.int8], scales: NDArray[np.float32]) -> None:
    raw = model.graph.tensors[tensor]
    raw.type = TYPE_CODES["int8"]
    raw.buffer = weights.new_buffer(model, values)
    raw.quantization = schema.generated().QuantizationParametersT(
        scale=scales, zeroPoint=np.zeros(len(scales), np.int64), quantizedDimension=0
    )


def _scale_behind(model: Model, reader: Operator, layer: Any, scales: NDArray[np.float32]) -> list[Any]:
    """Let the dense layer give the unscaled sum, and put scales and bias behind it; the activation goes last."""
    name = model.tensors[reader.outputs[0]].name.encode()
    activation = layer.builtinOptions.fusedActivationFunction
    layer.builtinOptions = copy.copy(layer.builtinOptions)
    layer.builtinOptions.fusedActivationFunction = 0
    # Pixels behind a PReLU or a pool are not centred: with an offset they use all 256 steps.
    layer.builtinOptions.asymmetricQuantizeInputs = True
    layer.inputs = [*reader.inputs[:2], -1]
    bias = reader.inputs[2] if len(reader.inputs) > 2 else -1
    shape = model.tensors[reader.outputs[0]].shape
    layer.outputs = [_tensor(model, name + b"/int8", shape)]
    constant = _tensor(model, name + b"/scales", scales.shape, weights.new_buffer(model, scales))
    if bias < 0:
        return [_binary(model, "MUL", [layer.outputs[0], constant], reader.outputs[0], activation)]
    scaled = _tensor(model, name + b"/scaled", shape)
    return [
        _binary(model, "MUL", [layer.outputs[0], constant], scaled, 0),
        _binary(model, "ADD", [scaled, bias], reader.outputs[0], activation),
    ]


def _tensor(model: Model, name: bytes, shape: tuple[int, ...], buffer: int = 0) -> int:
    tensor = schema.generated().TensorT(
        name=name, shape=np.array(shape, np.int32), type=TYPE_CODES["float32"], buffer=buffer
    )
    model.graph.tensors.append(tensor)
    return len(model.graph.tensors) - 1


def _binary(model: Model, op: str, inputs: list[int], output: int, activation: int) -> Any:
    classes = schema.generated()
    kind = op.capitalize() + "Options"
    return classes.OperatorT(
        opcodeIndex=schema.operator_code(model, op, _VERSIONS[op]),
        inputs=inputs,
        outputs=[output],
        builtinOptionsType=getattr(classes.BuiltinOptions, kind),
        builtinOptions=getattr(classes, f"{kind}T")(fusedActivationFunction=activation),
    )
