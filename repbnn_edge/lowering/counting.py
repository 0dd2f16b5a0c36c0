"""Afterwards: is every binary convolution of the plan an LceBconv2d of the file, with just these weights?"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.lowering.plan import Plan
from repbnn_edge.tflite import lce, schema


def check_binary(plan: Plan, data: bytes) -> tuple[str, ...]:
    """The names of a plan's binary layers, all of which are in the file.

    Raises:
        UnsupportedError: naming the first layer that is not an LceBconv2d in the file, or one that LCE broke.
    """
    model = schema.load(data, "LCE's output")
    found: set[str] = set()
    for operator in model.operators:
        if operator.op != lce.BCONV:
            _check_runs(model, operator)
            continue
        try:
            layer = lce.read_bconv2d(model, operator)
        except BadInputError as error:
            name = model.tensors[operator.outputs[0]].name
            raise UnsupportedError(
                name or error.what, f"LCE made an operator that cannot run ({error.why})", "see docs/convert.md"
            ) from error
        found.add(_fingerprint(np.moveaxis(lce.binary_weights(model, layer), 0, -1), layer.strides))
    for step in plan.convolutions:  # two that compute the same from the same map are one operator: LCE merges them
        if _fingerprint(step.weights, step.strides) not in found:
            raise UnsupportedError(
                step.layer,
                "LCE left it a full-precision convolution",
                "report it: repbnn-edge should have refused it or found a form",
            )
    return tuple(dict.fromkeys(step.layer for step in plan.convolutions))


def _check_runs(model: schema.Model, operator: schema.Operator) -> None:
    """Refuse a TensorFlow function that LCE passed on as a custom operator of that name: no device knows it."""
    builtin = operator.op == operator.op.upper()
    if not builtin and operator.op not in lce.OPERATORS:
        raise UnsupportedError(
            model.tensors[operator.outputs[0]].name or f"operator {operator.index}",
            f"TFLite has no operator for {operator.op}",
            "write the layer with functions that TFLite has",
        )


def _fingerprint(weights: NDArray[np.int8], strides: tuple[int, int]) -> str:
    """Of (rows, columns, C_in, filters); the same for a filter and its negative, since LCE may turn one round."""
    flat = weights.reshape(-1, weights.shape[-1])
    digest = hashlib.sha256(repr((weights.shape, strides)).encode())
    digest.update(np.packbits(flat * flat[:1] < 0).tobytes())
    return digest.hexdigest()
