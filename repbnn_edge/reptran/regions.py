"""Where a network begins and ends for RepTran: its stem, its last layers, its squeeze-excite pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from repbnn_edge.keras_graph import Graph, Node, Value, binary_nodes, two_valued_taps
from repbnn_edge.reptran.kinds import (
    has_kernel,
    is_depthwise,
    is_fully_connected,
    is_global_pool,
    is_product,
    is_softmax,
    known_class,
)


@dataclass(frozen=True)
class Regions:
    """The parts of a network that have rules of their own; sets hold node names.

    Attributes:
        binary: binary convolutions and dense layers.
        stem: the layers before the first binary one, which stay.
        stem_end: the value that is repeated for everything behind the stem; None where no one value leads to all
            binary layers: then each value is repeated where a wide one meets it.
        last: the layers that give the network's outputs, whose width stays.
        squeeze: the first dense layers of squeeze-excite pairs, whose width stays.
        excite: the second ones, whose input stays.
    """

    binary: frozenset[str]
    stem: frozenset[str]
    stem_end: Value | None
    last: frozenset[str]
    squeeze: frozenset[str]
    excite: frozenset[str]


def find_regions(graph: Graph) -> Regions:
    """Read the regions off a network."""
    relations = _Relations(graph)
    binary = {node.name for node in binary_nodes(graph)}
    last = _last_layers(relations, binary)
    end = _stem_end(relations, binary, last)
    producer = graph.producer(end) if end else None
    stem = relations.ancestors[producer.name] | {producer.name} if producer else set()
    pairs = list(_squeeze_excite_pairs(relations, binary | last | stem))
    return Regions(
        binary=frozenset(binary),
        stem=frozenset(stem),
        stem_end=end,
        last=frozenset(last),
        squeeze=frozenset(first for first, _ in pairs),
        excite=frozenset(second for _, second in pairs),
    )


class _Relations:
    """Who comes before whom."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ancestors: dict[str, set[str]] = {}
        for node in graph.nodes:
            before: set[str] = set()
            for value in node.inputs:
                if producer := graph.producer(value):
                    before |= self.ancestors[producer.name] | {producer.name}
            self.ancestors[node.name] = before

    def feeds_kernel(self, node: Node) -> bool:
        """Whether a convolution or dense layer comes after ``node``."""
        return any(node.name in self.ancestors[other.name] and has_kernel(other) for other in self.graph.nodes)

    def kernels_before(self, value: Value) -> set[str]:
        """The convolutions and dense layers that ``value`` depends on without another one in between."""
        found: set[str] = set()
        waiting, seen = [value], {value.tap}
        while waiting:
            producer = self.graph.producer(waiting.pop())
            if producer is None:
                continue
            if has_kernel(producer):
                found.add(producer.name)
                continue
            waiting += [v for v in producer.inputs if v.tap not in seen]
            seen |= {v.tap for v in producer.inputs}
        return found


def _last_layers(relations: _Relations, binary: set[str]) -> set[str]:
    """The fully connected layers, or full-precision convolutions, that an output comes from, if from such only."""
    last: set[str] = set()
    for value in relations.graph.outputs:
        sources = {
            name for name in relations.kernels_before(value) if name in binary or relations.ancestors[name] & binary
        }
        if sources and all(_may_be_last(relations, relations.graph.node(name), name in binary) for name in sources):
            last |= sources
    return last


def _may_be_last(relations: _Relations, node: Node, binary: bool) -> bool:
    if is_depthwise(node) or relations.feeds_kernel(node):
        return False
    if is_fully_connected(node) or not binary:
        return True
    after = (other for other in relations.graph.nodes if node.name in relations.ancestors[other.name])
    return any(is_softmax(other) for other in after)  # its channels are the classes


def _stem_end(relations: _Relations, binary: set[str], last: set[str]) -> Value | None:
    """The last value that all binary layers, and all that comes after them, depend on through every path."""
    graph, dominators = relations.graph, _Dominators(relations.graph)
    body = {
        node.name
        for node in graph.nodes
        if node.name in binary
        or (relations.ancestors[node.name] & binary and not relations.ancestors[node.name] & last)
    }
    end = dominators.common(body)
    if end is None or graph.producer(end) is None:
        # A skip from the image: the image itself is no stem's end, unless a binary layer reads it.
        end = dominators.common(binary)
    if end is None:
        return None
    end = _before_sign(graph, end)
    if graph.producer(end) is None and not _reads_as_sign(graph, end, binary):
        return None
    return end


def _before_sign(graph: Graph, end: Value) -> Value:
    """The sign, and the learnable shift before it, belong to the binary layer: the map is repeated before them."""
    signs = two_valued_taps(graph)
    passed_sign = end.tap in signs
    while end.tap in signs and (producer := graph.producer(end)) and len(producer.inputs) == 1:
        end = producer.inputs[0]
    producer = graph.producer(end)
    readers = [reader for reader in graph.consumers(end) if known_class(reader) != "RPReLU"]
    sign_reads = passed_sign or all(getattr(reader.layer, "input_quantizer", None) is not None for reader in readers)
    if producer and known_class(producer) == "ChannelShift" and sign_reads:
        end = producer.inputs[0]
    return end


def _reads_as_sign(graph: Graph, value: Value, binary: set[str]) -> bool:
    """Whether a binary layer takes the sign of ``value`` itself, with nothing but signs and shifts in between."""
    waiting, signs = [value], two_valued_taps(graph)
    while waiting:
        for reader in graph.consumers(waiting.pop()):
            if reader.name in binary:
                return True
            if reader.outputs[0].tap in signs or known_class(reader) == "ChannelShift":
                waiting += reader.outputs
    return False


class _Dominators:
    """For each node, the node or input that every path to it goes through last."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.parent: dict[str, str | None] = {value.tap: None for value in graph.inputs}
        self.depth: dict[str | None, int] = {None: 0, **{value.tap: 1 for value in graph.inputs}}
        for node in graph.nodes:
            sources = [self._source(value) for value in node.inputs]
            parent = self._meet(sources)
            self.parent[node.name] = parent
            self.depth[node.name] = self.depth[parent] + 1

    def common(self, names: Iterable[str]) -> Value | None:
        """The last one value through which every path to each of these nodes goes; None if there is none."""
        at = self._meet([self.parent[name] for name in names])
        inputs = {value.tap: value for value in self.graph.inputs}
        while at is not None and at not in inputs and len(self.graph.node(at).outputs) > 1:
            at = self.parent[at]
        if at is None:
            return None
        return inputs[at] if at in inputs else self.graph.node(at).outputs[0]

    def _source(self, value: Value) -> str:
        producer = self.graph.producer(value)
        return producer.name if producer else value.tap

    def _meet(self, names: Sequence[str | None]) -> str | None:
        if not names:
            return None
        at = names[0]
        for other in names[1:]:
            while at != other:
                if self.depth[at] < self.depth[other]:
                    at, other = other, at
                at = self.parent[at] if at is not None else None
        return at


def _squeeze_excite_pairs(relations: _Relations, excluded: set[str]) -> Iterable[tuple[str, str]]:
    """Pairs of dense layers behind a global pool whose result is multiplied into a map."""
    graph = relations.graph
    for node in graph.nodes:
        if node.name in excluded or not _is_small_dense(node) or not _gates(graph, node):
            continue
        first = _only_source(graph, node.inputs[0], _is_small_dense)
        if first is None or first.name in excluded or len(graph.consumers(first.outputs[0])) != 1:
            continue
        if _only_source(graph, first.inputs[0], is_global_pool):
            yield first.name, node.name


def _is_small_dense(node: Node) -> bool:
    if known_class(node) in ("Dense", "QuantDense"):
        return True
    return known_class(node) in ("Conv2D", "QuantConv2D") and is_fully_connected(node)


def _only_source(graph: Graph, value: Value, wanted: Callable[[Node], bool]) -> Node | None:
    """The first node before ``value`` that is ``wanted``, along a chain of nodes with one input and no kernel."""
    producer = graph.producer(value)
    while producer is not None:
        if wanted(producer):
            return producer
        if has_kernel(producer) or len(producer.inputs) != 1:
            return None
        producer = graph.producer(producer.inputs[0])
    return None


def _gates(graph: Graph, node: Node) -> bool:
    """Whether the node's result reaches a product with something else before it reaches another kernel."""
    waiting = list(node.outputs)
    while waiting:
        value = waiting.pop()
        for reader in graph.consumers(value):
            if is_product(reader) and len({v.tap for v in reader.inputs}) > 1:
                return True
            if not has_kernel(reader) and len(reader.inputs) == 1:
                waiting += reader.outputs
    return False
