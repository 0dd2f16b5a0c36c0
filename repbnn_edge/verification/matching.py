"""Finds which operator of a file computes which binary layer of the source: by its weights, never by its name.

A file may hold a layer in several forms: as it is; with every input channel twice (``doubled``: the pad taps of
+1 and -1 cancel and the integer is twice as large); a group of it alone; a dense layer as a convolution; with
filters negated (the sign of a multiplier moved into the weights); with more filters than the layer has. All
are recognised by bits. What is left over is paired by shape and order, so that a broken layer is found and named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.tflite.lce import Bconv2d, binary_weights
from repbnn_edge.tflite.schema import Model
from repbnn_edge.verification.reference import BinaryLayer

Bits = NDArray[np.bool_]
_ALIKE = 0.75  # unrelated filters agree in little more than half of their bits


@dataclass(frozen=True, eq=False)
class Part:
    """A layer, or one group of it, as a file would hold it.

    Attributes:
        layer: the source's layer.
        filters: which of the layer's filters.
        channels: which channels of the map that the layer reads.
        bits: whether a weight is -1, (filters, taps) with taps in the order rows, columns, channels.
        shape: (rows, columns, channels of a filter).
        groups: what the operator's groups must be.
    """

    layer: BinaryLayer
    filters: slice
    channels: slice
    bits: Bits
    shape: tuple[int, int, int]
    groups: int


@dataclass(frozen=True, eq=False)
class Match:
    """An operator of the file, and the part of the source that it computes.

    Attributes:
        operator: the LceBconv2d.
        part: of the source.
        doubled: the operator reads every channel twice, padded with +1 and with -1.
        negated: for each filter of the part, whether the operator holds its negative.
        wrong_weights: how many weights differ from the source's, negation aside.
        wrong_filters: in how many filters.
    """

    operator: Bconv2d
    part: Part
    doubled: bool
    negated: Bits
    wrong_weights: int
    wrong_filters: int

    @property
    def layer(self) -> BinaryLayer:
        """The source's layer."""
        return self.part.layer

    @property
    def width(self) -> int:
        """How many of the operator's filters are the layer's; they are its first."""
        return len(self.part.bits)


@dataclass(frozen=True, eq=False)
class _Held:
    """An operator's weights: (filters, taps), both forms of reading them."""

    operator: Bconv2d
    bits: Bits

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.operator.kernel, self.operator.channels_in // self.operator.groups)

    def halves(self) -> tuple[Bits, Bits] | None:
        """The weights of the first and of the second half of the channels."""
        rows, columns, channels = self.shape
        if channels % 2 or self.operator.groups != 1:
            return None
        split = self.bits.reshape(len(self.bits), rows, columns, 2, channels // 2)
        first, second = split[:, :, :, 0], split[:, :, :, 1]
        return first.reshape(len(self.bits), -1), second.reshape(len(self.bits), -1)


def match(model: Model, operators: Sequence[Bconv2d], layers: Sequence[BinaryLayer]) -> tuple[list[Match], list[str]]:
    """Pair the file's binary convolutions with the source's layers.

    Args:
        model: the file.
        operators: its binary convolutions, in execution order.
        layers: the source's, in topological order.

    Returns:
        the pairs in execution order, and a sentence for everything that has no counterpart.
    """
    held = [_Held(operator, _bits_of(model, operator)) for operator in operators]
    matches: dict[int, Match] = {}
    done: set[tuple[str, int]] = set()
    _exact(held, layers, matches, done)
    _similar(held, layers, matches, done)
    problems = [f"{layer.name}: no LceBconv2d of the file computes it" for layer in _missing(layers, matches, done)]
    problems += [
        f"operator {item.operator.index} (LceBconv2d): the source has no such binary layer"
        for item in held
        if item.operator.index not in matches
    ]
    return [matches[index] for index in sorted(matches)], problems


def _exact(
    held: list[_Held], layers: Sequence[BinaryLayer], matches: dict[int, Match], done: set[tuple[str, int]]
) -> None:
    """Pair what has equal bits; among equals, in order."""
    waiting: dict[bytes, list[Part]] = {}
    for layer in layers:
        for part in parts_of(layer):
            waiting.setdefault(_key(part.bits, part.shape, part.groups, layer.kind), []).append(part)
    for item in held:
        for key, doubled in _keys(item):
            candidates = waiting.get(key, [])
            if candidates:
                free = [part for part in candidates if (part.layer.name, part.filters.start) not in done]
                chosen = (free or candidates)[0]
                matches[item.operator.index] = _pair(item, chosen, doubled)
                done.add((chosen.layer.name, chosen.filters.start))
                break


def _keys(item: _Held) -> Iterator[tuple[bytes, bool]]:
    for kind in ("conv2d", "dense"):
        yield _key(item.bits, item.shape, item.operator.groups, kind), False
        halves = item.halves()
        if halves is not None and np.array_equal(*halves):
            rows, columns, channels = item.shape
            yield _key(halves[0], (rows, columns, channels // 2), 1, kind), True


def _similar(
    held: list[_Held], layers: Sequence[BinaryLayer], matches: dict[int, Match], done: set[tuple[str, int]]
) -> None:
    """Pair what is left: the most similar first, then by order among what has the shape."""
    left = [item for item in held if item.operator.index not in matches]
    wholes = {layer.name for layer in layers if (layer.name, 0) not in done}
    pairs = []
    for place, item in enumerate(left):
        for order, part in enumerate(
            part for layer in layers if layer.name in wholes or layer.groups > 1 for part in parts_of(layer)
        ):
            if (part.layer.name, part.filters.start) in done:
                continue
            for doubled in (False, True):
                if _fits(item, part, doubled):
                    pair = _pair(item, part, doubled)
                    alike = 1 - pair.wrong_weights / part.bits.size / (2 if doubled else 1)
                    pairs.append((-alike if alike > _ALIKE else 0.0, place, order, pair))
    for _, _, _, pair in sorted(pairs, key=lambda entry: entry[:3]):
        mark = (pair.layer.name, pair.part.filters.start)
        if pair.operator.index not in matches and mark not in done:
            matches[pair.operator.index] = pair
            done.add(mark)


def _fits(item: _Held, part: Part, doubled: bool) -> bool:
    rows, columns, channels = item.shape
    if doubled and (item.halves() is None):
        return False
    shape = (rows, columns, channels // 2 if doubled else channels)
    same = np.prod(shape) == np.prod(part.shape) if part.layer.kind == "dense" else shape == part.shape
    return bool(same) and item.operator.channels_out >= len(part.bits) and item.operator.groups == part.groups


def _missing(
    layers: Sequence[BinaryLayer], matches: dict[int, Match], done: set[tuple[str, int]]
) -> Iterator[BinaryLayer]:
    """Layers that nothing computes; one that is another's twin on the same map may share its operator."""
    for layer in layers:
        widths = sum(m.width for m in matches.values() if m.layer.name == layer.name)
        if widths >= layer.weights.shape[3]:
            continue
        twins = (m for m in matches.values() if m.layer.sign_input == layer.sign_input)
        if not any(np.array_equal(m.layer.weights, layer.weights) for m in twins):
            yield layer


def parts_of(layer: BinaryLayer) -> list[Part]:
    """The layer as one operator, and, where it has groups, each group as one."""
    rows, columns, channels, filters = layer.weights.shape
    bits = (layer.weights < 0).transpose(3, 0, 1, 2).reshape(filters, -1)
    shape = (rows, columns, channels)
    parts = [Part(layer, slice(0, filters), slice(0, channels * layer.groups), bits, shape, layer.groups)]
    if layer.groups > 1:
        each = filters // layer.groups
        for group in range(layer.groups):
            own = slice(group * each, (group + 1) * each)
            parts.append(Part(layer, own, slice(group * channels, (group + 1) * channels), bits[own], shape, 1))
    return parts


def _bits_of(model: Model, operator: Bconv2d) -> Bits:
    return (binary_weights(model, operator) < 0).reshape(operator.channels_out, -1)


def _key(bits: Bits, shape: tuple[int, int, int], groups: int, kind: str) -> bytes:
    """Equal for equal weights, whatever filters are negated; a dense layer's taps have no rows and columns."""
    canonical = bits ^ bits[:, :1]
    form = shape if kind == "conv2d" else (bits.shape[1],)
    return repr((form, groups, kind, len(bits))).encode() + np.packbits(canonical).tobytes()


def _pair(item: _Held, part: Part, doubled: bool) -> Match:
    width = len(part.bits)
    halves = item.halves() if doubled else None
    copies = halves if halves is not None else (item.bits,)
    differ = np.concatenate([copy[:width] ^ part.bits for copy in copies], axis=1)
    negated = differ.mean(axis=1) > 0.5
    wrong = (differ ^ negated[:, None]).sum(axis=1)
    return Match(item.operator, part, doubled, negated, int(wrong.sum()), int((wrong > 0).sum()))
