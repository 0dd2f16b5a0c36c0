"""Sums, means and extremes over any axes of a map, and the norms that are made of them.

Over rows and columns alone it is a pooling of the whole map; over channels it is XNOR-Net's mean|x|; over all three
it standardises a sample (RBNN, SiMaN).
"""

from __future__ import annotations

import math

import numpy as np

from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import (
    Affine,
    Combination,
    Combine,
    Doubles,
    Function,
    FunctionKind,
    GlobalPool,
    Reduce,
    ReduceKind,
    Shape,
)
from repbnn_converters.onnx.recognition import movement
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.handlers import handles
from repbnn_converters.onnx.recognition.symbols import Moved, Real

_KINDS: dict[str, ReduceKind] = {
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "max",
    "ReduceMin": "min",
    "ReduceL1": "sum",
    "ReduceL2": "sum",
    "ReduceSumSquare": "sum",
}


@handles("GlobalAveragePool", "GlobalMaxPool")
def global_pool(builder: Builder, node: Node) -> None:
    """Over all rows and columns."""
    name = builder.real(node, 0)
    shape = builder.network.shapes[name]
    if len(shape) != 3:
        raise builder.unsupported(node, f"its input is no map but {list(shape)}", "pool a map")
    kind = "average" if node.op == "GlobalAveragePool" else "max"
    builder.give(node, GlobalPool, (shape[0], 1, 1), inputs=(name,), kind=kind, keep=True)


@handles(*_KINDS)
def reduce(builder: Builder, node: Node) -> None:
    """Over any axes; a reshape before it is looked through, so that ``view(n, c, -1).mean(2)`` is a pooling."""
    name, axes = _source(builder, node)
    if not axes:
        builder.symbols[node.output] = Real(name)
        return
    name = _prepared(builder, node, name)
    kept = tuple(1 if i in axes else size for i, size in enumerate(builder.network.shapes[name]))
    shape, kind = builder.shape(node, node.output), _KINDS[node.op]
    if axes == (1, 2) and kind in ("mean", "max") and shape[1:] in (kept, kept[:1]):
        pool = "average" if kind == "mean" else "max"
        builder.give(node, GlobalPool, shape[1:], inputs=(name,), kind=pool, keep=shape[1:] == kept)
        return
    own = shape[1:] == kept
    last = own and node.op != "ReduceL2"
    output = node.output if last else builder.fresh(node.output)
    result = builder.emit(Reduce(name=node.name, inputs=(name,), output=output, kind=kind, axes=axes), kept)
    if node.op == "ReduceL2":
        output = node.output if own else builder.fresh(node.output)
        result = builder.emit(Function(name=node.name, inputs=(result,), output=output, kind="sqrt"), kept)
    _give_back(builder, node, result)


def _prepared(builder: Builder, node: Node, name: str) -> str:
    """What is summed: the map, its magnitude or its square."""
    if node.op == "ReduceL1":
        return emit_function(builder, node, name, "abs")
    if node.op in ("ReduceL2", "ReduceSumSquare"):
        return emit_combine(builder, node, (name, name), "multiply")
    return name


def _source(builder: Builder, node: Node) -> tuple[str, tuple[int, ...]]:
    """The map that is reduced, and over which of its axes (0 channels, 1 rows, 2 columns)."""
    shape = builder.shape(node, node.input(0))
    wanted = _axes(builder, node, len(shape))
    symbol = builder.symbol(node, 0)
    if isinstance(symbol, Moved) and isinstance(symbol.source, Real) and movement.keeps_order(symbol):
        name = symbol.source.name
        own = (builder.graph.batch, *builder.network.shapes[name])
    else:
        name = builder.real(node, 0)
        own = (shape[0], *builder.network.shapes[name])
    axes = _whole_axes(shape, own, wanted)
    if axes is None or (0 in axes and builder.graph.batch > 1):
        why = f"it reduces axes {sorted(wanted)} of {list(shape)}"
        raise builder.unsupported(node, why, "reduce whole channels, rows or columns of a sample")
    return name, tuple(axis - 1 for axis in axes if axis)


def _axes(builder: Builder, node: Node, rank: int) -> set[int]:
    axes = node.attributes.get("axes")
    if axes is None and node.input(1):
        constant = builder.known(node, 1)
        if constant is None:
            raise builder.unsupported(node, "its axes depend on the input", "reduce fixed axes")
        axes = [int(a) for a in constant.reshape(-1)]
    if not axes:
        axes = [] if node.attributes.get("noop_with_empty_axes", 0) else range(rank)
    return {a % rank for a in axes}


def _whole_axes(shape: tuple[int, ...], own: tuple[int, ...], wanted: set[int]) -> list[int] | None:
    """``wanted`` axes of ``shape`` as axes of ``own``, which has the same numbers in the same order; None if split."""
    found: list[int] = []
    i = j = 0
    while i < len(shape) or j < len(own):
        left, right = [i], [j]
        a, b = (shape[i] if i < len(shape) else 1), (own[j] if j < len(own) else 1)
        while a != b:
            if a < b:
                left.append(left[-1] + 1)
                if left[-1] >= len(shape):
                    return None
                a *= shape[left[-1]]
            else:
                right.append(right[-1] + 1)
                if right[-1] >= len(own):
                    return None
                b *= own[right[-1]]
        chosen = {axis in wanted for axis in left if axis < len(shape) and (shape[axis] != 1 or a == 1)}
        if len(chosen) > 1:
            return None
        if True in chosen:
            found += [axis for axis in right if axis < len(own)]
        i, j = left[-1] + 1, right[-1] + 1
    return found


def _shape(builder: Builder, name: str) -> Shape:
    return builder.network.shapes[name]


def emit_function(builder: Builder, node: Node, name: str, kind: FunctionKind) -> str:
    """A function of ``name`` that the file has no value for."""
    layer = Function(name=node.name, inputs=(name,), output=builder.fresh(node.output), kind=kind)
    return builder.emit(layer, _shape(builder, name))


def emit_combine(builder: Builder, node: Node, names: tuple[str, str], kind: Combination) -> str:
    """A combination that the file has no value for."""
    layer = Combine(name=node.name, inputs=names, output=builder.fresh(node.output), kind=kind)
    return builder.emit(layer, np.broadcast_shapes(*(_shape(builder, name) for name in names)))


def _emit_mean(builder: Builder, node: Node, name: str, axes: tuple[int, ...]) -> str:
    layer = Reduce(name=node.name, inputs=(name,), output=builder.fresh(node.output), kind="mean", axes=axes)
    return builder.emit(layer, tuple(1 if i in axes else size for i, size in enumerate(_shape(builder, name))))


@handles("InstanceNormalization")
def instance_norm(builder: Builder, node: Node) -> None:
    """Each channel by itself; on (N, groups, rest), as group norms are exported, each group."""
    scale, shift = _learned(builder, node, 1), _learned(builder, node, 2)
    shape = builder.shape(node, node.output)
    if len(shape) == 4:
        name = builder.real(node, 0)
        ready = _standardised(builder, node, name, (1, 2))
    else:
        ready = _standardised(builder, node, _grouped(builder, node, shape), (1, 2))
    column = (-1, 1, 1)
    output = node.output if len(shape) == 4 else builder.fresh(node.output)
    scaled = Affine(
        name=node.name,
        inputs=(ready,),
        output=output,
        scale=scale.reshape(column),
        shift=shift.reshape(column),
    )
    result = builder.emit(scaled, _shape(builder, ready))
    _give_back(builder, node, result)


def _grouped(builder: Builder, node: Node, shape: tuple[int, ...]) -> str:
    """(N, groups, rest) as a map of that many channels and one column."""
    start = movement.begin(builder, node, 0)
    if start is None or len(shape) != 3:
        raise builder.unsupported(node, f"it normalises {list(shape)}", "normalise maps")
    column = Moved(start.source, start.shape, start.indices.reshape(*shape, 1))
    settled = movement.settle(builder, node, node.input(0), column)
    if not isinstance(settled, Real):
        raise builder.unsupported(node, "it normalises signs", "normalise real maps")
    return settled.name


def _give_back(builder: Builder, node: Node, name: str) -> None:
    """The node's output is ``name``, in the shape that the file gives it."""
    shape = builder.shape(node, node.output)
    own = (builder.graph.batch, *_shape(builder, name))
    if own == shape:
        builder.symbols[node.output] = Real(name)
        return
    if math.prod(own) != math.prod(shape):
        raise builder.unsupported(node, f"it makes {list(shape)} of a sample", "keep the batch")
    builder.symbols[node.output] = Moved(Real(name), own, np.arange(math.prod(own), dtype=np.int32).reshape(shape))


@handles("LayerNormalization")
def layer_norm(builder: Builder, node: Node) -> None:
    """Over the last axes, with a scale and a shift for each number."""
    shape = builder.shape(node, node.output)
    axis = node.attributes.get("axis", -1) % len(shape)
    name = builder.real(node, 0)
    own = _shape(builder, name)
    if axis == 0 or len(own) + 1 != len(shape) or any(node.outputs[1:]):
        raise builder.unsupported(node, f"it normalises from axis {axis} of {list(shape)}", "normalise one sample")
    ready = _standardised(builder, node, name, tuple(range(axis - 1, len(own))))
    scale = builder.per_sample(node, _learned(builder, node, 1), own)
    shift = builder.per_sample(node, _learned(builder, node, 2), own) if node.input(2) else None
    builder.give(node, Affine, own, inputs=(ready,), scale=scale, shift=shift)


def _learned(builder: Builder, node: Node, index: int) -> Doubles:
    value = builder.known(node, index)
    if value is None:
        raise builder.unsupported(node, "its scale or shift depends on the input", "use constant ones")
    return value.astype(np.float64)


def _standardised(builder: Builder, node: Node, name: str, axes: tuple[int, ...]) -> str:
    """(x - mean) / sqrt(variance + epsilon)."""
    centred = emit_combine(builder, node, (name, _emit_mean(builder, node, name, axes)), "subtract")
    variance = _emit_mean(builder, node, emit_combine(builder, node, (centred, centred), "multiply"), axes)
    epsilon = np.full((1,) * len(_shape(builder, name)), node.attributes.get("epsilon", 1e-5))
    shifted = builder.emit(
        Affine(name=node.name, inputs=(variance,), output=builder.fresh(node.output), shift=epsilon),
        _shape(builder, variance),
    )
    return emit_combine(builder, node, (centred, emit_function(builder, node, shifted, "sqrt")), "divide")
