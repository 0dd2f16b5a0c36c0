"""The float weights that a pass may store in a smaller type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.tflite import schema
from repbnn_edge.tflite.schema import Model, Operator

LAYERS = frozenset({"CONV_2D", "FULLY_CONNECTED"})
# Below this many numbers the scales, the operator or the table that come with a smaller type take what it saves.
_WORTHWHILE = 1024


def candidates(model: Model, operators: frozenset[int]) -> Iterator[tuple[int, list[Operator]]]:
    """Weight tensors with all the layers that read them.

    Refused, and left as they are: a tensor that anything but one of ``operators`` reads too, or that is an output (it
    would have to be kept in both forms), one that is not float32, not finite or small, and layers whose input is not
    float32.
    """
    seen: set[int] = set()
    for operator in model.operators:
        if operator.index not in operators or operator.op not in LAYERS or operator.inputs[1] in seen:
            continue
        tensor = operator.inputs[1]
        seen.add(tensor)
        readers = [model.operators[reader] for reader in model.consumers[tensor]]
        if (
            tensor not in model.outputs
            and _worth(model, tensor)
            and all(_fits(model, r, tensor, operators) for r in readers)
        ):
            yield tensor, readers


def _worth(model: Model, tensor: int) -> bool:
    values = model.constant(tensor) if model.tensors[tensor].type == "float32" else None
    return values is not None and values.size >= _WORTHWHILE and bool(np.isfinite(values).all())


def _fits(model: Model, reader: Operator, tensor: int, operators: frozenset[int]) -> bool:
    return (
        reader.index in operators
        and reader.op in LAYERS
        and [position for position, source in enumerate(reader.inputs) if source == tensor] == [1]
        and model.tensors[reader.inputs[0]].type == "float32"
        and model.tensors[reader.outputs[0]].type == "float32"
    )


def new_buffer(model: Model, values: NDArray[Any]) -> int:
    """Append a buffer; what nobody refers to any more goes with ``compact``."""
    model.raw.buffers.append(schema.generated().BufferT(data=np.ascontiguousarray(values).reshape(-1).view(np.uint8)))
    return len(model.raw.buffers) - 1
