"""The rules for layers with a kernel: binary or not, they keep their weights and multiply-accumulates."""

from __future__ import annotations

import types
from typing import Any

import numpy as np

from repbnn_edge.keras_graph import copy_layer
from repbnn_edge.keras_graph.binary import weight_precision
from repbnn_edge.keras_graph.counting import kernels_of
from repbnn_edge.reptran.call import Call, Changes, Result
from repbnn_edge.reptran.kinds import CONVOLUTIONS, DENSE, SEPARABLE, is_depthwise, known_class

_REPEATING = {"Conv2D", "QuantConv2D", "RepConv2D"}


def last_layer(call: Call) -> Result:
    """Given: a wide input. Result: the same layer on it, its output as wide as before."""
    call.need_last_axis()
    if getattr(call.layer, "groups", 1) > 1 or known_class(call.node) in SEPARABLE:
        raise call.refusal("it gives the output in groups of channels", "end the network with a plain layer")
    return call.copied((None,), "last layer: inputs widened, outputs kept")


def squeeze(call: Call) -> Result:
    """Given: the pooled wide map. Result: the hidden units of a squeeze-excite pair, as many as before."""
    call.need_last_axis()
    return call.copied((None,), "squeeze: inputs widened, hidden width kept")


def excite(call: Call) -> Result:
    """Given: the hidden units of a squeeze-excite pair. Result: one gate for each of the wide map's channels."""
    if call.axes[0] is not None:
        raise call.refusal("the hidden layer of its squeeze-excite pair is wide", "give it a pair of its own")
    width = "units" if known_class(call.node) in DENSE else "filters"
    wider = {width: call.beta * int(getattr(call.layer, width))}
    return call.copied((call.rank() - 1,), "excite: outputs widened", **wider)


def kernel_layer(call: Call) -> Result:
    """Given: a map, wide or not. Result: a wide map, from as many weights as before (more for depthwise layers)."""
    call.widen(0)
    call.need_last_axis()
    kind = known_class(call.node)
    if is_depthwise(call.node):
        return _depthwise(call)
    if weight_precision(call.layer) is None and _two_valued_without_quantizer(call):
        raise call.refusal(
            "its weights are two-valued but nothing keeps them so when they are trained again",
            "give it a kernel_quantizer",
        )
    if getattr(call.layer, "groups", 1) > 1:
        return _grouped(call)
    if kind in _REPEATING and getattr(call.layer, "repeat", "output") == "output":
        return _repeating(call, "RepConv2D")
    if kind in DENSE and getattr(call.layer, "repeat", "output") == "output":
        return _repeating(call, "RepDense")
    if kind in CONVOLUTIONS and not hasattr(call.layer, "repeat"):
        return _spread(call, call.beta**2, filters=_divided(call, int(call.layer.filters)))
    if kind in SEPARABLE and weight_precision(call.layer) is None:
        note = "its depthwise weights grow"
        return _spread(call, call.beta**2, note, filters=_divided(call, int(call.layer.filters)))
    raise call.refusal(f"RepTran has no rule for {kind} in this form")


def _divided(call: Call, filters: int) -> int:
    if filters % call.beta:
        raise call.refusal(
            f"its {filters} filters cannot be divided by beta {call.beta}", "choose a beta that divides them"
        )
    return filters // call.beta


def _repeating(call: Call, kind: str) -> Result:
    """Rule 2 and 3: C_out / beta kernels on the wide map, their output tiled beta^2 times, bias as wide as that."""
    from repbnn_edge import layers

    beta = call.beta * int(getattr(call.layer, "beta", 1))
    rank = len(call.node.outputs[0].shape)
    return call.replaced(
        lambda: [copy_layer(call.layer, call.node.layer_name, kind=getattr(layers, kind), beta=beta)],
        form=(kind, beta, call.node.inputs[0].shape[-1]),
        axes=(rank - 1,),
        note=f"{kind}, beta {beta}",
    )


def _grouped(call: Call) -> Result:
    """Rule 7: beta times as many groups, each as deep as before; the output is repeated beta times."""
    groups, filters = int(call.layer.groups) * call.beta, int(call.layer.filters)
    if hasattr(call.layer, "repeat"):
        raise call.refusal(f"RepTran has no rule for {type(call.layer).__name__} with groups")
    if filters % groups:
        raise call.refusal(
            f"its {filters} filters cannot be divided into {groups} groups",
            "choose a beta for which beta times its groups divides them",
        )
    return _spread(call, call.beta, f"{groups} groups", groups=groups)


def _spread(call: Call, times: int, note: str = "", **changes: Any) -> Result:
    """A layer of fewer filters, its output repeated, then its bias and activation on the wide map."""
    from repbnn_edge.layers import ChannelAffine, RepeatChannels

    layer, name = call.layer, call.node.layer_name

    def make() -> list[Any]:
        activation = layer.get_config().get("activation")
        after: list[Any] = [RepeatChannels(times, name=f"{name}_repeat")]
        if not layer.use_bias:
            return [copy_layer(layer, name, **changes), *after]
        after.append(ChannelAffine(scale=None, shift=layer.bias_initializer, name=f"{name}_bias"))
        if activation not in (None, "linear"):
            after.append(copy_layer(_activation_of(layer), f"{name}_activation"))
        return [copy_layer(layer, name, use_bias=False, activation=None, **changes), *after]

    rank = len(call.node.outputs[0].shape)
    form = ("spread", repr(changes), call.node.inputs[0].shape[-1])
    return call.replaced(make, form, (rank - 1,), note or f"{times} times repeated")


def _activation_of(layer: Any) -> Any:
    from repbnn_edge import stack

    return stack.tensorflow().keras.layers.Activation(layer.activation)


def _depthwise(call: Call) -> Result:
    """Rule 3: the filters are tiled beta times, and so are their weights."""
    if weight_precision(call.layer) == 1:
        raise call.refusal("its binary weights would grow", "use a convolution over all channels")
    changes: dict[str, Any] = {}
    if known_class(call.node) in CONVOLUTIONS:
        changes = {key: int(getattr(call.layer, key)) * call.beta for key in ("filters", "groups")}
    elif isinstance(getattr(call.layer, "depthwise_initializer", None), types.FunctionType):
        # The weights are carried, so it is of no use, and no file could hold it (QuickNet's blur pools).
        changes = {"depthwise_initializer": "zeros"}
    first = call.node.layer_name not in call.new.made
    rank = len(call.node.outputs[0].shape)
    result = call.copied((rank - 1,), "depthwise: filters tiled, weights grow", **changes)
    if first:
        change: Changes = call.new.changes[call.node.layer_name]
        for old, new in zip(call.layer.weights, change.layers[0].weights, strict=True):
            new.assign(_tiled_like(np.asarray(old), tuple(new.shape)))
        change.weights = "tiled"
    return result


def _tiled_like(array: Any, shape: tuple[int, ...]) -> Any:
    return np.tile(array, [new // old for new, old in zip(shape, array.shape, strict=True)])


def _two_valued_without_quantizer(call: Call) -> bool:
    if getattr(call.layer, "kernel_quantizer", None) is not None:
        return False
    return all(len(np.unique(np.abs(np.asarray(kernel)))) == 1 for kernel in kernels_of(call.layer))
