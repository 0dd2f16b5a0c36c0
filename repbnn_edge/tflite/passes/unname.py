"""Takes the names of constants away: nobody looks a weight up by its name, and they are a fifth of what is no weight.

Given::

    "model/conv/BiasAdd" = ADD("model/conv/Conv2D", "model/conv/bias/ReadVariableOp": constant)

Result::

    "model/conv/BiasAdd" = ADD("model/conv/Conv2D", "": constant)

Tensors that are computed, and inputs and outputs, keep theirs: profilers and proofs speak of them.
"""

from __future__ import annotations

from repbnn_edge.tflite.schema import Model


def run(model: Model) -> Model:
    """Give a copy of ``model`` whose constants have no names."""
    twin = model.copy()
    spoken_of = {*model.inputs, *model.outputs}
    for tensor in model.tensors:
        if tensor.constant and tensor.index not in spoken_of:
            twin.graph.tensors[tensor.index].name = None
    return Model(twin.raw)
