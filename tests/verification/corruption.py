"""Breaks one thing in a file, as a bug of a converter would, and says in which operator."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from repbnn_edge.tflite import lce, schema
from repbnn_edge.tflite.schema import Model

Corruption = Callable[[Model, lce.Bconv2d, np.random.Generator], None]


def corrupt(data: bytes, output: int, corruption: Corruption, rng: np.random.Generator) -> bytes:
    """Break the binary convolution that writes tensor ``output``."""
    model = schema.load(data)
    operator = next(o for o in model.operators if o.op == lce.BCONV and o.outputs[0] == output)
    twin = model.copy()
    corruption(twin, lce.read_bconv2d(model, operator), rng)
    broken = schema.pack(twin)
    assert broken != data
    return broken


def one_weight(model: Model, layer: lce.Bconv2d, rng: np.random.Generator) -> None:
    words = model.constant(layer.filter).copy()
    depth = layer.channels_in // layer.groups
    place = tuple(int(rng.integers(size)) for size in words.shape[:3])
    bit = int(rng.integers(depth))
    words[(*place, bit // 32)] ^= np.uint32(1 << (bit % 32)).astype(np.int32)
    _write(model, layer.filter, words)


def one_multiplier(model: Model, layer: lce.Bconv2d, rng: np.random.Generator) -> None:
    values = model.constant(layer.multiplier).copy()
    values[rng.integers(len(values))] *= rng.choice([1.05, 0.9, -1.0, 0.0])
    _write(model, layer.multiplier, values)


def one_bias(model: Model, layer: lce.Bconv2d, rng: np.random.Generator) -> None:
    values, multipliers = model.constant(layer.bias).copy(), model.constant(layer.multiplier)
    place = rng.integers(len(values))
    values[place] += 2 * multipliers[place]
    _write(model, layer.bias, values)


def one_threshold(model: Model, layer: lce.Bconv2d, rng: np.random.Generator) -> None:
    values = model.constant(layer.threshold).copy()
    reach = int(np.prod(layer.kernel)) * layer.channels_in
    inside = np.flatnonzero((values >= 1) & (values < reach - 1))
    values[rng.choice(inside)] += rng.choice([-1, 1])
    _write(model, layer.threshold, values)


def two_channels(model: Model, layer: lce.Bconv2d, rng: np.random.Generator) -> None:
    """Two output channels change places, weights and all."""
    a, b = rng.choice(layer.channels_out, 2, replace=False)
    for tensor in (layer.filter, layer.multiplier, layer.bias, layer.threshold):
        if tensor >= 0:
            values = model.constant(tensor).copy()
            values[[a, b]] = values[[b, a]]
            _write(model, tensor, values)


def two_constants(model: Model, layer: lce.Bconv2d, rng: np.random.Generator) -> None:
    """The numbers behind two channels change places, the weights stay."""
    for tensor in (layer.multiplier, layer.bias, layer.threshold):
        if tensor >= 0:
            values = model.constant(tensor).copy()
            apart = np.argsort(values)
            a, b = apart[0], apart[-1]
            values[[a, b]] = values[[b, a]]
            _write(model, tensor, values)


def pad_value(model: Model, layer: lce.Bconv2d, rng: np.random.Generator) -> None:
    """The binary map is padded with 1 in place of 0, or with 0 in place of 1."""
    operator = model.graph.operators[layer.index]
    options = dict(flexbuffers.Loads(bytes(operator.customOptions)))
    options["pad_values"] = 1 - options["pad_values"]
    operator.customOptions = np.frombuffer(bytes(flexbuffers.Dumps(options)), np.uint8)


def pad_constant(model: Model, layer: lce.Bconv2d, rng: np.random.Generator) -> None:
    """A padding before the sign pads with the other binary value."""
    pad = model.operators[int(rng.choice(paddings(model, layer)))]
    values = model.constant(pad.inputs[2])
    constant = copy.copy(model.graph.tensors[pad.inputs[2]])
    model.graph.operators[pad.index].inputs = [*pad.inputs[:2], len(model.graph.tensors)]
    model.graph.tensors.append(constant)
    fresh = copy.copy(model.raw.buffers[constant.buffer])
    fresh.data = np.frombuffer((-values).tobytes(), np.uint8)
    constant.buffer = len(model.raw.buffers)
    model.raw.buffers.append(fresh)


def paddings(model: Model, layer: lce.Bconv2d) -> list[int]:
    """The PADV2 operators between the layer and what comes before its sign."""
    found, waiting = [], [layer.input]
    while waiting:
        producer = model.operators[model.producers[waiting.pop()]]
        if producer.op == "PADV2":
            found.append(producer.index)
        elif producer.op in (lce.QUANTIZE, "CONCATENATION"):
            waiting.extend(producer.inputs)
    return found


def _write(model: Model, tensor: int, values: Any) -> None:
    """Give the tensor a buffer of its own: equal constants share one."""
    fresh = copy.copy(model.raw.buffers[model.graph.tensors[tensor].buffer])
    fresh.data = np.frombuffer(values.tobytes(), np.uint8)
    model.graph.tensors[tensor].buffer = len(model.raw.buffers)
    model.raw.buffers.append(fresh)


def bconvs(data: bytes) -> list[lce.Bconv2d]:
    """The file's binary convolutions."""
    model = schema.load(data)
    return [lce.read_bconv2d(model, operator) for operator in model.operators if operator.op == lce.BCONV]
