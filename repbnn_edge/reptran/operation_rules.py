"""The rules for TensorFlow functions that Keras wraps as TFOpLambda."""

from __future__ import annotations

from typing import Any

import numpy as np

from repbnn_edge import stack
from repbnn_edge.reptran.call import Call, Result
from repbnn_edge.reptran.layer_rules import Rule, align, align_concat
from repbnn_edge.reptran.shapes import is_slice, normalized, reshaped_axis, scaled_slice


def elementwise(call: Call) -> Result:
    """Given: an element-wise function of maps and constants. Result: the same; per-channel constants are tiled."""
    args, kwargs = call.node.map_arguments(call.tensors)
    constants = [np.asarray(value) for value in [*args, *kwargs.values()] if _is_array(value)]
    axis = align(call, constants)
    args, kwargs = call.node.map_arguments(call.tensors)
    rank = max([*(len(value.shape) for value in call.node.inputs), *(constant.ndim for constant in constants)])
    tiled = [_tiled(call, value, axis, rank) if _is_array(value) else value for value in args]
    named = {key: _tiled(call, value, axis, rank) if _is_array(value) else value for key, value in kwargs.items()}
    return call.result(_copy(call)(*tiled, **named), (axis,))


def softmax(call: Call) -> Result:
    """Refuses a softmax over the repeated channels: its sum would run over beta copies."""
    axis = call.arguments().arguments.get("axis")
    if normalized(-1 if axis is None else int(axis), call.rank()) == call.axis:
        raise call.refusal("it is a softmax over repeated channels", "end the network with a dense layer before it")
    return call.operation((call.axis,))


def channels_last(call: Call) -> Result:
    """Given: pooling or resizing. Result: the same on more channels."""
    call.need_last_axis()
    return call.operation((len(call.node.outputs[0].shape) - 1,))


def concat(call: Call) -> Result:
    """Given: a concatenation. Result: the same of wide maps; a plain one is repeated."""
    return call.operation((align_concat(call, int(call.arguments().arguments["axis"])),))


def split(call: Call) -> Result:
    """Given: a split. Result: along the channels, each part is beta times as wide."""
    arguments = call.arguments().arguments
    sizes, changed = arguments["num_or_size_splits"], {}
    if normalized(int(arguments["axis"]), call.rank()) == call.axis and np.ndim(sizes) == 1:
        changed = {"num_or_size_splits": [size if size == -1 else int(size) * call.beta for size in sizes]}
    return call.operation((call.axis,) * len(call.node.outputs), changed)


def pad(call: Call) -> Result:
    """Given: a padding. Result: beta times as much along the channels."""
    paddings = [list(pair) for pair in np.asarray(call.arguments().arguments["paddings"]).tolist()]
    paddings[call.axis] = [amount * call.beta for amount in paddings[call.axis]]
    return call.operation((call.axis,), {"paddings": paddings})


def getitem(call: Call) -> Result:
    """Given: an index expression. Result: the bounds along the channels are beta times as far."""
    given = call.arguments().arguments["slice_spec"]
    spec = list(given) if isinstance(given, list | tuple) else [given]
    if any(
        item is not Ellipsis and item is not None and not is_slice(item) and not isinstance(item, int) for item in spec
    ):
        raise call.refusal("its index is no constant slice")
    if Ellipsis not in spec:
        spec.append(Ellipsis)
    at, taken = spec.index(Ellipsis), sum(item is not None for item in spec) - 1
    spec[at : at + 1] = [slice(None)] * (call.rank() - taken)
    axis_in = axis_out = 0
    axis: int | None = None
    for i, item in enumerate(spec):
        if item is None:
            axis_out += 1
            continue
        if axis_in == call.axis:
            if not is_slice(item):
                raise call.refusal("it takes one of the repeated channels", "take a slice of channels")
            spec[i], axis = scaled_slice(item, call.beta), axis_out
        axis_in += 1
        axis_out += is_slice(item)
    return call.operation((axis,), {"slice_spec": tuple(spec)})


def slice_(call: Call) -> Result:
    """Given: begin and size of a slice. Result: both are beta times as far along the channels."""
    arguments = call.arguments().arguments
    begin, size = (np.asarray(arguments[key]).tolist() for key in ("begin", "size"))
    begin[call.axis] *= call.beta
    size[call.axis] *= 1 if size[call.axis] == -1 else call.beta
    return call.operation((call.axis,), {"begin": begin, "size": size})


def reshape(call: Call) -> Result:
    """Given: a reshape. Result: the target's axis that holds the channels is beta times as long."""
    if len(call.node.inputs) > 1:
        raise call.refusal("its target shape is computed by the network", "give it as constants")
    at = reshaped_axis(call.node.inputs[0].shape, call.node.outputs[0].shape, call.axis)
    if at is None:
        raise call.refusal("its target cuts the channels in a way that cannot be widened", "reshape whole channels")
    target = np.asarray(call.arguments().arguments["shape"]).tolist()
    target[at] *= 1 if target[at] == -1 else call.beta
    return call.operation((at,), {"shape": target})


def transpose(call: Call) -> Result:
    """Given: a permutation. Result: the wide axis moves with it."""
    perm = call.arguments().arguments["perm"]
    order = list(range(call.rank()))[::-1] if perm is None else np.asarray(perm).tolist()
    return call.operation((order.index(call.axis),))


def reduce_(call: Call) -> Result:
    """Given: a mean or maximum over axes. Result: over the channels it gives what it gave before."""
    arguments = call.arguments().arguments
    given = arguments["axis"]
    over = list(range(call.rank())) if given is None else np.atleast_1d(given).tolist()
    axes = {normalized(int(axis), call.rank()) for axis in over}
    if call.axis in axes:
        return call.operation((None,))
    gone = 0 if arguments["keepdims"] else sum(axis < call.axis for axis in axes)
    return call.operation((call.axis - gone,))


def squeeze(call: Call) -> Result:
    """Given: axes of size 1 to be dropped. Result: the wide axis is never one of them."""
    given = call.arguments().arguments["axis"]
    shape = call.node.inputs[0].shape
    axes = (
        {normalized(int(axis), call.rank()) for axis in np.atleast_1d(given)}
        if given is not None and np.size(given)
        else {axis for axis, size in enumerate(shape) if size == 1}
    )
    if call.axis in axes:
        raise call.refusal("it drops the repeated channels", "name the axes to drop")
    return call.operation((call.axis - sum(axis < call.axis for axis in axes),))


def expand_dims(call: Call) -> Result:
    """Given: a new axis. Result: the wide axis stands after it or before it."""
    at = normalized(int(call.arguments().arguments["axis"]), call.rank() + 1)
    return call.operation((call.axis + (at <= call.axis),))


def _copy(call: Call) -> Any:
    from repbnn_edge.keras_graph import copy_layer

    return copy_layer(call.layer, call.node.layer_name if call.node.is_first_call else None)


def _is_array(value: Any) -> bool:
    """Whether an argument is a constant with axes: an array, a tensor, a list of numbers."""
    tf = stack.tensorflow()
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(item, int | float) for item in value)
    return isinstance(value, np.ndarray | tf.Tensor | tf.Variable) and len(value.shape) > 0


def _tiled(call: Call, value: Any, axis: int, rank: int) -> Any:
    """A constant operand, tiled along the wide axis if it has one number per channel."""
    array = np.asarray(value)
    at = axis - (rank - array.ndim)
    if at < 0 or array.shape[at] == 1:
        return value
    dtype = value.dtype if hasattr(value, "dtype") else call.node.inputs[0].dtype
    return stack.tensorflow().constant(np.concatenate([array] * call.beta, axis=at), dtype=dtype)


_ELEMENTWISE = [
    *("__operators__.add", "math.add", "math.subtract", "math.multiply", "math.divide", "math.truediv", "divide"),
    *("math.maximum", "math.minimum", "math.abs", "math.negative", "math.sign", "math.square", "math.sqrt", "math.pow"),
    *("math.exp", "math.log", "math.tanh", "math.sigmoid", "math.softplus", "math.rsqrt", "math.squared_difference"),
    *(
        "math.less",
        "math.less_equal",
        "math.greater",
        "math.greater_equal",
        "math.round",
        "math.reciprocal",
        "math.erf",
    ),
    *("nn.relu", "nn.relu6", "nn.leaky_relu", "nn.elu", "nn.selu", "nn.gelu", "nn.silu", "nn.softsign", "nn.bias_add"),
    *("clip_by_value", "where", "identity", "stop_gradient", "cast", "zeros_like", "ones_like"),
]

OPERATION_RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, elementwise),
    **dict.fromkeys(["nn.max_pool2d", "nn.avg_pool2d", "nn.max_pool", "nn.avg_pool"], channels_last),
    **dict.fromkeys(["image.resize", "nn.depth_to_space", "nn.space_to_depth"], channels_last),
    **dict.fromkeys(["nn.softmax", "nn.log_softmax"], softmax),
    **dict.fromkeys(["math.reduce_mean", "math.reduce_max", "math.reduce_min"], reduce_),
    "__operators__.getitem": getitem,
    "concat": concat,
    "expand_dims": expand_dims,
    "pad": pad,
    "reshape": reshape,
    "slice": slice_,
    "split": split,
    "squeeze": squeeze,
    "transpose": transpose,
}
