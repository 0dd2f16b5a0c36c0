"""Folds fills: a binary kernel whose weights are all alike leaves LCE's converter as an operator that makes it anew.

Given::

    w = FILL(shape: constant, value: constant)
    y = LceBconv2d(x, w, ..)

Result::

    y = LceBconv2d(x, w: constant, ..)

Nobody can read weights that an operator makes: neither a proof nor a delegate. Refused, and left as they are: shapes or
values that are computed, and outputs of the network.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.tflite.passes import weights
from repbnn_edge.tflite.schema import Model, Operator

_LARGEST = 1 << 28  # elements


def run(model: Model) -> Model:
    """Give a copy of ``model`` without fills of constants."""
    values = {op.index: made for op in model.operators if (made := _folded(model, op)) is not None}
    if not values:
        return model
    twin = model.copy()
    for index, made in values.items():
        tensor = twin.graph.tensors[model.operators[index].outputs[0]]
        tensor.buffer = weights.new_buffer(twin, made)
        tensor.shape = list(made.shape)
    twin.graph.operators = [op for index, op in enumerate(twin.graph.operators) if index not in values]
    return Model(twin.raw)


def _folded(model: Model, operator: Operator) -> NDArray[np.generic] | None:
    if operator.op != "FILL" or operator.outputs[0] in model.outputs:
        return None
    shape, value = (model.constant(tensor) for tensor in operator.inputs)
    if shape is None or value is None or value.size != 1 or (shape < 1).any():
        return None
    if float(np.prod(shape.astype(np.float64))) > _LARGEST:
        return None
    return np.full(tuple(int(size) for size in shape), value.reshape(-1)[0])
