"""Turns a plan into TensorFlow operations, in the forms that LCE's converter recognises; also runs it eagerly."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge import stack
from repbnn_edge.lowering.plan import (
    Apply,
    Call,
    Concat,
    Convolution,
    Crop,
    Pad,
    Plan,
    Repeat,
    Reshape,
    Sign,
    SliceChannels,
    Step,
    same_padding,
)

# Below this LCE takes a filter for zero, and the convolution stays float (its IsBinaryFilter, float32's epsilon).
_SMALLEST_SCALE = 1.2e-7


def emit(plan: Plan, inputs: list[Any]) -> list[Any]:
    """Run the plan's steps on tensors, symbolic or eager, and give its outputs."""
    tf = stack.tensorflow()
    values: dict[str, Any] = dict(zip(plan.inputs, inputs, strict=True))
    for step in plan.steps:
        given = [values[name] for name in step.inputs]
        results = tf.nest.flatten(_emit(step, given))
        values.update(zip(step.outputs, results, strict=True))
    return [values[name] for name in plan.outputs]


def run(plan: Plan, batch: NDArray[Any]) -> NDArray[Any]:
    """Run a plan of one input and one output eagerly."""
    tf = stack.tensorflow()
    (output,) = emit(plan, [tf.constant(batch)])
    return np.asarray(output)


def constant(values: NDArray[Any]) -> Any:
    """A constant that a traced graph captures instead of carrying a copy; ``freeze`` puts its values in."""
    tf = stack.tensorflow()
    with tf.init_scope():
        return tf.constant(values)


@singledispatch
def _emit(step: Step, given: list[Any]) -> Any:
    raise TypeError(type(step).__name__)


@_emit.register
def _call(step: Call, given: list[Any]) -> Any:
    args, kwargs = step.node.map_arguments(given)
    if step.layer._call_spec.expects_training_arg:
        kwargs = {**kwargs, "training": False}
    return step.layer(*args, **kwargs)


@_emit.register
def _sign(step: Sign, given: list[Any]) -> Any:
    tf = stack.tensorflow()
    with _scope(step):
        # The one spelling that becomes LceQuantize without a comparison of its own; sign(0) is +1.
        return tf.sign(tf.sign(given[0]) + 0.1)


@_emit.register
def _convolution(step: Convolution, given: list[Any]) -> Any:
    tf = stack.tensorflow()
    (x,) = given
    kernel: NDArray[np.float32] = step.weights.astype(np.float32)
    small = bool((np.abs(step.scale) < _SMALLEST_SCALE).any())
    if not small:
        kernel = kernel * step.scale
    with _scope(step):
        if step.dense:
            y = tf.matmul(x, constant(kernel[0, 0]))
        else:
            padding = "VALID"
            if any(map(any, step.padding)):
                if step.pad_value == 0 and step.padding == same_padding(x.shape[1:3], step.strides, step.spans):
                    padding = "SAME"
                else:
                    x = tf.pad(x, [[0, 0], *step.padding, [0, 0]], constant_values=float(step.pad_value))
            y = tf.nn.conv2d(x, constant(kernel), list(step.strides), padding, dilations=list(step.dilations))
        return y * constant(step.scale) if small else y


@_emit.register
def _pad(step: Pad, given: list[Any]) -> Any:
    tf = stack.tensorflow()
    with _scope(step):
        return tf.pad(given[0], [[0, 0], *step.padding, [0, 0]], constant_values=step.value)


@_emit.register
def _crop(step: Crop, given: list[Any]) -> Any:
    with _scope(step):
        return given[0][:, : step.size[0], : step.size[1], :]


@_emit.register
def _slice_channels(step: SliceChannels, given: list[Any]) -> Any:
    with _scope(step):
        return given[0][..., step.begin : step.end]


@_emit.register
def _concat(step: Concat, given: list[Any]) -> Any:
    with _scope(step):
        return stack.tensorflow().concat(given, axis=-1)


@_emit.register
def _repeat(step: Repeat, given: list[Any]) -> Any:
    with _scope(step):
        return stack.tensorflow().concat(given * step.times, axis=-1)


@_emit.register
def _reshape(step: Reshape, given: list[Any]) -> Any:
    with _scope(step):
        return stack.tensorflow().reshape(given[0], (-1, *step.shape[1:]))


@_emit.register
def _apply(step: Apply, given: list[Any]) -> Any:
    with _scope(step):
        return step.function(given[0])


def _scope(step: Step) -> Any:
    """Operators bear their layer's name; TensorFlow's scopes take fewer characters than Keras' names."""
    safe = "".join(c if (c.isalnum() and c.isascii()) or c in "._/-" else "_" for c in step.name)
    return stack.tensorflow().name_scope(safe if safe[:1].isalnum() else f"n{safe}")
