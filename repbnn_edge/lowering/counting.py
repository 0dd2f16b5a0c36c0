"""Afterwards: is every binary convolution of the plan an LceBconv2d of the file, with just these weights?"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.lowering.plan import Plan
from repbnn_edge.tflite import lce, schema


def broken_layers(plan: Plan, model: schema.Model) -> tuple[str, ...]:
    """The layers that LCE made operators of which cannot run, by name; mostly none."""
    found, broken = _read(model)
    return _absent(plan, found) if broken else ()


def check_binary(plan: Plan, model: schema.Model) -> tuple[str, ...]:
    """The names of a plan's binary layers, all of which are in the file.

    Raises:
        UnsupportedError: naming the first layer that is not an LceBconv2d in the file, or one that LCE broke; or a
            function that TFLite has no operator for.
    """
    for operator in model.operators:
        _check_runs(model, operator)
    found, broken = _read(model)
    absent = _absent(plan, found)
    if absent:
        why = f"LCE made an operator of it that cannot run ({broken})" if broken else "LCE left it in full precision"
        raise UnsupportedError(absent[0], why, "see docs/convert.md for what LCE can express")
    return tuple(dict.fromkeys(step.layer for step in plan.convolutions))


def _read(model: schema.Model) -> tuple[set[str], str]:
    """Fingerprints of the binary convolutions that can run, and why the first other one cannot."""
    found: set[str] = set()
    broken = ""
    for operator in model.operators:
        if operator.op != lce.BCONV:
            continue
        try:
            layer = lce.read_bconv2d(model, operator)
        except BadInputError as error:
            broken = broken or error.why
            continue
        found.add(_fingerprint(np.moveaxis(lce.binary_weights(model, layer), 0, -1), layer.strides))
    return found, broken


def _absent(plan: Plan, found: set[str]) -> tuple[str, ...]:
    """Layers without a counterpart. Two that compute the same from the same map are one operator: LCE merges them."""
    steps = (step for step in plan.convolutions if _fingerprint(step.weights, step.strides) not in found)
    return tuple(dict.fromkeys(step.layer for step in steps))


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
