"""``--float-weights``: the passes in their order, and the promise that they change no bit of the binary body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from repbnn_edge.errors import RepbnnError
from repbnn_edge.tflite import schema, signs
from repbnn_edge.tflite.passes import compact, float16, int8, unname, weights
from repbnn_edge.tflite.schema import Model, Operator

FloatWeights = Literal["float32", "float16", "int8"]

_STORE: dict[FloatWeights, Callable[[Model, frozenset[int]], Model]] = {
    "float32": lambda model, operators: model,
    "float16": float16.run,
    "int8": int8.run,
}


def shrink(data: bytes, float_weights: FloatWeights = "float32", *, everywhere: bool = False) -> bytes:
    """Store the weights of float convolutions and dense layers in a smaller type, and drop what nothing refers to.

    Args:
        data: a file without anything behind the flatbuffer: metadata comes last.
        float_weights: the type. ``float32`` only drops what nothing refers to.
        everywhere: also before the last sign, in stem and shortcuts, where a rounded weight flips bits.

    Returns:
        The new file. Without ``everywhere``, every operator that a sign depends on has the same options and the same
        constants as before.
    """
    model = schema.load(data)
    kept = signs.before_a_sign(model)
    chosen = frozenset(operator.index for operator in model.operators if everywhere or operator.index not in kept)
    changed = _STORE[float_weights](model, chosen)
    if float_weights != "float32":
        changed = unname.run(changed)
    # Last: only now are the old weights nobody's.
    packed = schema.pack(compact.run(changed))
    _check_kept(model, schema.load(packed), frozenset() if everywhere else kept)
    return packed


def _check_kept(before: Model, after: Model, body: frozenset[int]) -> None:
    """Raise unless each operator of ``body``, and each that is no float layer, stands in ``after`` as it was."""
    # Passes add tensors and operators, and take none away: a tensor that was there has its index still.
    for operator in before.operators:
        if operator.index not in body and operator.op in weights.LAYERS:
            continue
        twins = {after.producers.get(tensor, -1) for tensor in operator.outputs}
        if any(twin < 0 or _describe(before, operator) != _describe(after, after.operators[twin]) for twin in twins):
            raise RepbnnError(
                f"operator {operator.index} ({operator.op})", "a bug of ours: shrinking changed it", "report it"
            )


def _describe(model: Model, operator: Operator) -> tuple[object, ...]:
    """All that an operator computes from; constants by value, since their buffers move."""
    constants = [model.constant(tensor) if tensor >= 0 else None for tensor in operator.inputs]
    options = vars(operator.options) if operator.options else {}
    return (
        operator.op,
        operator.custom_options,
        [(key, np.array(value).tolist()) for key, value in sorted(options.items())],
        [tensor for tensor, values in zip(operator.inputs, constants, strict=True) if values is None],
        operator.outputs,
        [None if values is None else (values.dtype.str, values.shape, values.tobytes()) for values in constants],
    )
