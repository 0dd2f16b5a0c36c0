"""Files whose float weights were shrunk to float16 or int8: the source is run with the weights that the file holds.

A shrunk weight must be a rounding of the source's (times a factor per filter or per input, where a batch norm was
folded in); that is compared number by number. The source with the file's weights is then the reference of everything
else. An int8 layer that quantises its input as it runs (a hybrid one) is judged against its own weights in float32.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.tflite.contents import TYPE_CODES
from repbnn_edge.tflite.schema import Model, Operator
from repbnn_edge.verification.reference import Floats, Reference

_WEIGHTED = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
_HALF_ULP_FLOAT16 = 2.0**-11
_SMALLEST_FLOAT16 = 2.0**-24
_SLACK = 1.0 + 2.0**-10  # of float32 arithmetic before the rounding
_CANCELLATION = 8.0  # a sum over inputs may be that much smaller than what it sums
_THE_SAME_LAYER = 0.99  # a batch norm on both sides leaves less
_UNKNOWN = {"float16": 1e-2, "int8": 1e-1}  # for a source that cannot be run with the file's weights
_FLOAT32_ULPS = 4 * 2.0**-23  # of a batch norm that was folded in

Numbers = NDArray[np.float64]


@runtime_checkable
class HasFloatWeights(Protocol):
    """A reference that can be run with other float weights."""

    def float_weights(self) -> Mapping[str, Floats]:
        """The weights of convolutions and dense layers that are not binary, as (filters, ...), by layer."""

    def with_float_weights(self, weights: Mapping[str, Floats]) -> Reference:
        """The same source with some of these weights replaced."""


@dataclass(frozen=True, eq=False)
class Shrunk:
    """An operator of the file with shrunk weights.

    Attributes:
        operator: the operator.
        kind: how its weights are stored.
        weights: in float32, (filters, ...).
        step: how far rounding may have moved each of them.
        scale: (filters,) a factor that the file multiplies the result with right behind the operator.
    """

    operator: Operator
    kind: Literal["float16", "int8"]
    weights: Floats
    step: Numbers
    scale: Numbers


@dataclass(frozen=True, eq=False)
class Adapted:
    """The source with the file's own weights.

    Attributes:
        reference: it.
        names: the source's layer of each shrunk operator.
        rounding: for each shrunk operator, by how much its result may differ for rounding alone, relative to the
            largest: 0 where the source's weights are replaced by the file's, number for number.
        problems: a sentence for each operator whose weights are no rounding of the layer that they are of.
    """

    reference: Reference
    names: Mapping[int, str]
    rounding: Mapping[int, float]
    problems: Sequence[str]


def find_shrunk(model: Model) -> list[Shrunk]:
    """The operators of a file whose weights are float16 or int8, and that compute in float32."""
    return [shrunk for operator in model.operators if operator.op in _WEIGHTED and (shrunk := _read(model, operator))]


def with_float32_weights(model: Model, shrunk: Sequence[Shrunk]) -> Model:
    """A copy of the file in which the weights of hybrid layers are float32; tensors keep their indices."""
    twin = model.copy()
    for item in shrunk:
        if item.kind != "int8":
            continue
        tensor = copy.copy(twin.graph.tensors[item.operator.inputs[1]])
        buffer = copy.copy(twin.raw.buffers[tensor.buffer])
        weights = item.weights.T if item.operator.op == "DEPTHWISE_CONV_2D" else item.weights
        buffer.data = np.frombuffer(np.ascontiguousarray(weights, np.float32).tobytes(), np.uint8)
        tensor.type, tensor.buffer, tensor.quantization = TYPE_CODES["float32"], len(twin.raw.buffers), None
        twin.raw.buffers.append(buffer)
        inputs = list(item.operator.inputs)
        inputs[1] = len(twin.graph.tensors)
        twin.graph.tensors.append(tensor)
        twin.graph.operators[item.operator.index].inputs = inputs
    return twin


def adapt(reference: Reference, shrunk: Sequence[Shrunk]) -> Adapted:
    """Find the source's layer of each shrunk operator, and put the file's weights into the source."""
    rounding = {item.operator.index: _UNKNOWN[item.kind] for item in shrunk}
    if not shrunk or not isinstance(reference, HasFloatWeights):
        return Adapted(reference, {}, rounding, [])
    own = dict(reference.float_weights())
    names: dict[int, str] = {}
    problems: list[str] = []
    replaced: dict[str, Floats] = {}
    for item in shrunk:
        name, fit = _find(item, {name: kernel for name, kernel in own.items() if name not in replaced})
        if fit is not None:
            replaced[name], rounding[item.operator.index] = fit
            names[item.operator.index] = name
        elif name:
            problems.append(f"{name}: its {item.kind} weights are no rounding of the source's")
            names[item.operator.index] = name
    return Adapted(reference.with_float_weights(replaced), names, rounding, problems)


def _find(item: Shrunk, own: Mapping[str, Floats]) -> tuple[str, tuple[Floats, float] | None]:
    """The layer whose rounded weights the operator has; else the one that they are of beyond doubt, without a fit."""
    alike = {n: k for n, k in own.items() if len(k) == len(item.weights) and k.size == item.weights.size}
    for name, kernel in alike.items():
        if (fit := _rounded(item, kernel)) is not None:
            return name, fit
    likeness = {name: _likeness(item.weights, kernel) for name, kernel in alike.items()}
    best = max(likeness, key=lambda name: likeness[name], default="")
    return (best, None) if best and likeness[best] > _THE_SAME_LAYER else ("", None)


def _likeness(held: Floats, kernel: Floats) -> float:
    """How far most filters, or most inputs, of two weights point the same way: 1 whatever the factors."""
    one, other = (values.reshape(len(held), -1).astype(np.float64) for values in (held, kernel))
    best = 0.0
    for axis in (0, 1):
        if one.shape[axis] > 1:
            norms = np.sqrt((one * one).sum(axis) * (other * other).sum(axis))
            best = max(best, float(np.median(np.abs((one * other).sum(axis)) / np.where(norms > 0, norms, 1.0))))
    return best


def _read(model: Model, operator: Operator) -> Shrunk | None:
    tensor = operator.inputs[1]
    if model.tensors[operator.inputs[0]].type != "float32" or tensor < 0:
        return None
    depthwise = operator.op == "DEPTHWISE_CONV_2D"
    producer = model.producers.get(tensor)
    if producer is not None and model.operators[producer].op == "DEQUANTIZE":
        tensor = model.operators[producer].inputs[0]
    values = model.constant(tensor)
    if values is None or values.dtype not in (np.float16, np.int8):
        return None
    if values.dtype == np.float16:
        weights = values.astype(np.float32)
        step = np.maximum(np.abs(weights.astype(np.float64)) * _HALF_ULP_FLOAT16, _SMALLEST_FLOAT16)
    else:
        scale = np.asarray(model.graph.tensors[tensor].quantization.scale, np.float32)
        axis = model.graph.tensors[tensor].quantization.quantizedDimension
        scale = scale.reshape([-1 if i == axis else 1 for i in range(values.ndim)]) if scale.size > 1 else scale
        weights = values.astype(np.float32) * scale
        step = np.broadcast_to(scale.astype(np.float64) / 2, weights.shape)
    weights = _filters_first(weights, depthwise)
    return Shrunk(
        operator,
        "float16" if values.dtype == np.float16 else "int8",
        weights,
        _filters_first(step, depthwise),
        _scale_behind(model, operator, len(weights)),
    )


def _scale_behind(model: Model, operator: Operator, filters: int) -> Numbers:
    """The constant per filter that the operator's bare result is multiplied with, else ones."""
    readers = model.consumers.get(operator.outputs[0], ())
    bare = len(operator.inputs) < 3 or operator.inputs[2] < 0
    if bare and len(readers) == 1 and operator.outputs[0] not in model.outputs:
        reader = model.operators[readers[0]]
        constants = [model.constant(t) for t in reader.inputs] if reader.op == "MUL" else []
        for constant in constants:
            if constant is not None and constant.size == filters:
                return constant.reshape(-1).astype(np.float64)
    return np.ones(filters)


def _filters_first(values: NDArray[Any], depthwise: bool) -> NDArray[Any]:
    return values.reshape(-1, values.shape[-1]).T if depthwise else values


def _rounded(item: Shrunk, kernel: Floats) -> tuple[Floats, float] | None:
    """The kernel with the file's weights in it, and what is not known of it; None if they are no rounding of it."""
    scale = item.scale[:, None]
    held = item.weights.reshape(len(kernel), -1).astype(np.float64) * scale
    mine = kernel.reshape(len(kernel), -1).astype(np.float64)
    step = item.step.reshape(held.shape) * np.abs(scale) * _SLACK + _FLOAT32_ULPS * np.abs(held)
    found = _factors(held, mine, step)
    reach = 1.0
    if found is None:  # a batch norm before the layer
        columns = _factors(held.T, mine.T, step.T)
        if columns is None:
            return None
        found, reach = (columns[0].T, columns[1]), _CANCELLATION
    factor, doubt = found
    usable = np.abs(factor) > np.finfo(np.float32).tiny
    result = np.where(usable, held / np.where(usable, factor, 1.0), mine)
    return result.reshape(kernel.shape).astype(np.float32), doubt * reach


def _factors(held: Numbers, mine: Numbers, step: Numbers) -> tuple[Numbers, float] | None:
    """A factor for each row with ``|held - factor * mine| <= step`` throughout, 1 if it does; None if there is none.

    Returns:
        (rows, 1), and how far a factor may be from the true one, relative to it.
    """
    if (np.abs(held[mine == 0]) > step[mine == 0]).any():
        return None
    divisor = np.where(mine == 0, 1.0, mine)
    one, other = (held - step) / divisor, (held + step) / divisor
    lowest = np.where(mine == 0, -np.inf, np.minimum(one, other)).max(axis=1, keepdims=True)
    highest = np.where(mine == 0, np.inf, np.maximum(one, other)).min(axis=1, keepdims=True)
    if (lowest > highest).any():
        return None
    bounded = np.isfinite(lowest) & np.isfinite(highest)
    lowest, highest = np.where(bounded, lowest, 1.0), np.where(bounded, highest, 1.0)
    if ((lowest <= 1.0) & (highest >= 1.0)).all():
        return np.ones_like(lowest), 0.0
    middle = (lowest + highest) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        doubt = np.nan_to_num((highest - lowest) / 2 / np.abs(middle), nan=0.0, posinf=0.0)
    return middle, float(doubt.max(initial=0.0))
