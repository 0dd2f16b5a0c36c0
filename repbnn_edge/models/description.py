"""A network as plain data: named nodes with shapes, from which Keras layers, weights and counts are made.

A structure is written once, on a ``Sketch`` and in the ORIGINAL network's widths; the sketch applies the rules of
Rep-BNN for its ``beta``. It needs no framework, so that listing the networks costs nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from repbnn_edge.errors import UnsupportedError, UsageError

Shape = tuple[int, ...]
Pads = tuple[tuple[int, int], tuple[int, int]]
Family = Literal["two-step", "recu", "ir-net"]
"""How weights and activations are binarised: AdamBNN's, ReActNet's and Bi-Real's way, ReCU's, IR-Net's."""


@dataclass(frozen=True)
class Node:
    """One layer.

    Attributes:
        op: what it is: a key of ``OPERATIONS`` in keras_network.py.
        name: the Keras layer's name.
        inputs: names of the nodes that it reads.
        shape: of its output, without the batch: (height, width, channels) or (features,).
        attributes: the numbers of the layer.
        weights: shapes of its variables, by attribute name.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    shape: Shape
    attributes: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Shape] = field(default_factory=dict)

    @property
    def binary(self) -> bool:
        """Whether its kernel and its input are two-valued."""
        return bool(self.attributes.get("binary", False))


@dataclass(frozen=True)
class Description:
    """A network for one beta and one input shape."""

    beta: int
    family: Family
    nodes: tuple[Node, ...]

    def parameters(self) -> tuple[int, int]:
        """(binary, float): two-valued weights, and all other variables, before folding."""
        binary = sum(math.prod(node.weights["kernel"]) for node in self.nodes if node.binary)
        every = sum(math.prod(shape) for node in self.nodes for shape in node.weights.values())
        return binary, every - binary

    def macs(self) -> tuple[int, int]:
        """(binary, float): H_out * W_out * k * k * C_in * C_out, padding taps counted."""
        both = [0, 0]
        for node in self.nodes:
            if "kernel" in node.weights:
                both[0 if node.binary else 1] += math.prod(node.weights["kernel"]) * math.prod(node.shape[:-1])
        return both[0], both[1]

    def canonical(self) -> str:
        """One string for one network: the same in every process, another for any other network, beta or shape."""
        nodes = [[n.op, n.name, n.inputs, n.shape, n.attributes, n.weights] for n in self.nodes]
        return json.dumps([self.beta, self.family, nodes], sort_keys=True, separators=(",", ":"))


class Sketch:
    """Draws a network node by node. Widths and filters are the original network's; beta is applied here."""

    def __init__(self, beta: int, family: Family, input_shape: tuple[int, int, int]) -> None:
        self.beta = beta
        self.family: Family = family
        self._nodes: dict[str, Node] = {}
        self.image = self._add("input", "image", (), input_shape)

    def finish(self) -> Description:
        """The network drawn so far."""
        return Description(self.beta, self.family, tuple(self._nodes.values()))

    def _add(
        self,
        op: str,
        name: str,
        inputs: Sequence[Node],
        shape: Shape,
        attributes: dict[str, Any] | None = None,
        weights: dict[str, Shape] | None = None,
    ) -> Node:
        assert name not in self._nodes, name
        if min(shape) < 1:
            raise UsageError("--input-shape", f"layer {name} would have an empty map", "give a larger image")
        node = Node(op, name, tuple(i.name for i in inputs), tuple(shape), attributes or {}, weights or {})
        self._nodes[name] = node
        return node

    def stem_convolution(self, x: Node, name: str, filters: int, size: int, stride: int) -> Node:
        """A full-precision convolution of the stem, padded by size // 2 on each side; beta does not touch it."""
        map_shape = _padded_size(x, size, stride, size // 2)
        pads = tuple(_read_pads(n, size, stride, size // 2) for n in x.shape[:2])
        return self._add(
            "convolution",
            name,
            [x],
            (*map_shape, filters),
            {"size": size, "stride": stride, "pads": pads},
            {"kernel": (size, size, x.shape[-1], filters)},
        )

    def rep_convolution(self, x: Node, name: str, filters: int, size: int, stride: int = 1, *, binary: bool) -> Node:
        """RepConv: filters / beta kernels over the whole width of ``x``, the result tiled beta^2 times.

        Padded by size // 2 on each side, as the authors' frameworks do; a binary map with zeros, after its sign.
        """
        if filters % self.beta:
            raise UnsupportedError(
                name,
                f"its {filters} filters cannot be divided by beta {self.beta}",
                "choose a beta that divides them",
            )
        kernels = filters // self.beta
        weights: dict[str, Shape] = {"kernel": (size, size, x.shape[-1], kernels)}
        if binary and self.family == "recu":
            weights["filter_scale"] = (kernels,)
        attributes = {"filters": filters, "size": size, "stride": stride, "binary": binary}
        shape = (*_padded_size(x, size, stride, size // 2), filters * self.beta)
        return self._add("rep_convolution", name, [x], shape, attributes, weights)

    def batch_norm(self, x: Node, name: str) -> Node:
        """Batch normalisation over the last axis, epsilon 1e-5."""
        width = (x.shape[-1],)
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        return self._add("batch_norm", name, [x], x.shape, {}, dict.fromkeys(names, width))

    def shift(self, x: Node, name: str) -> Node:
        """The learnable bias before a sign."""
        return self._add("shift", name, [x], x.shape, {}, {"shift": (x.shape[-1],)})

    def rprelu(self, x: Node, name: str) -> Node:
        """ReActNet's RPReLU."""
        names = ("shift_in", "slope", "shift_out")
        return self._add("rprelu", name, [x], x.shape, {}, dict.fromkeys(names, (x.shape[-1],)))

    def hard_tanh(self, x: Node, name: str) -> Node:
        """Clip to [-1, 1]."""
        return self._add("hard_tanh", name, [x], x.shape)

    def repeat(self, x: Node, name: str) -> Node:
        """The repeat at the stem's end; nothing for beta = 1."""
        if self.beta == 1:
            return x
        return self._add("repeat", name, [x], (*x.shape[:-1], x.shape[-1] * self.beta), {"times": self.beta})

    def pad_channels(self, x: Node, name: str, each: int) -> Node:
        """Option A: ``each`` channels of zeros before and after, beta times as many."""
        each *= self.beta
        return self._add("pad_channels", name, [x], (*x.shape[:-1], x.shape[-1] + 2 * each), {"each": each})

    def max_pool(self, x: Node, name: str, size: int, stride: int, pad: int = 0) -> Node:
        """Max pooling; padding never wins."""
        pads = tuple(_read_pads(n, size, stride, pad) for n in x.shape[:2])
        attributes = {"size": size, "stride": stride, "pads": pads}
        return self._add("max_pool", name, [x], (*_padded_size(x, size, stride, pad), x.shape[-1]), attributes)

    def average_pool(self, x: Node, name: str, size: int, stride: int) -> Node:
        """Average pooling without padding; size 1 takes every ``stride``-th pixel."""
        attributes = {"size": size, "stride": stride}
        return self._add("average_pool", name, [x], (*_padded_size(x, size, stride, 0), x.shape[-1]), attributes)

    def global_pool(self, x: Node, name: str) -> Node:
        """The mean over height and width."""
        return self._add("global_pool", name, [x], (x.shape[-1],))

    def flatten(self, x: Node, name: str) -> Node:
        """(height, width, channels) to one axis, channels last."""
        return self._add("flatten", name, [x], (math.prod(x.shape),))

    def add(self, x: Node, y: Node, name: str) -> Node:
        """The sum of two maps of one shape.

        Raises:
            UsageError: the shapes differ, which an image size does that the poolings do not divide.
        """
        if x.shape != y.shape:
            have = " and ".join("x".join(map(str, node.shape)) for node in (x, y))
            raise UsageError(
                "--input-shape",
                f"layer {name} would add maps of {have}",
                "give a height and width that every stride divides, such as a multiple of 32",
            )
        return self._add("add", name, [x, y], x.shape)

    def concat(self, parts: Sequence[Node], name: str) -> Node:
        """Concatenation along channels."""
        return self._add("concat", name, parts, (*parts[0].shape[:-1], sum(p.shape[-1] for p in parts)))

    def dense(self, x: Node, name: str, units: int) -> Node:
        """The last fully connected layer: as wide as ``x`` is, no repeat."""
        return self._add("dense", name, [x], (units,), {}, {"kernel": (x.shape[-1], units), "bias": (units,)})


def _padded_size(x: Node, size: int, stride: int, pad: int) -> tuple[int, int]:
    height, width = ((n + 2 * pad - size) // stride + 1 for n in x.shape[:2])
    return height, width


def _read_pads(length: int, size: int, stride: int, pad: int) -> tuple[int, int]:
    """Of the same padding on both ends, what a window reads: on an even map, a stride of 2 never reaches the end's.

    LCE 0.16 fuses a symmetric padding at stride 2 into a wrong SAME; one that is trimmed it keeps.
    """
    windows = (length + 2 * pad - size) // stride + 1
    return pad, max(0, (windows - 1) * stride + size - pad - length)
