"""RepTran: turns a binary neural network into its Rep-BNN.

Rules: Shi et al., RepBNN, arXiv 2207.09049, as docs/transform.md spells them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from repbnn_edge import stack
from repbnn_edge.errors import RepbnnError, UnsupportedError, UsageError
from repbnn_edge.keras_graph import Graph, Node, Value, copy_layer, costs, rebuild, walk
from repbnn_edge.keras_graph.binary import precision_of, weight_precision
from repbnn_edge.reptran.call import Call, Changes, NewLayers, Result
from repbnn_edge.reptran.kernel_rules import excite, kernel_layer, last_layer, squeeze
from repbnn_edge.reptran.kinds import has_kernel, known_class
from repbnn_edge.reptran.layer_rules import LAYER_RULES, Rule
from repbnn_edge.reptran.operation_rules import OPERATION_RULES
from repbnn_edge.reptran.regions import Regions, find_regions


@dataclass(frozen=True)
class Widened:
    """A network after RepTran.

    Attributes:
        model: the new Keras model.
        before: the old network's graph.
        regions: its stem, last layers and pairs.
        beta: the repeat factor.
        changes: by old layer name, what became of each layer that a rule touched.
        repeated: the values that are repeated beta times, by tap, and the layer that does it: one at the stem's end
            where the network has one.
        axes: by tap, the axis that is beta times as wide; None or absent where none is.
        wide_outputs: the taps of outputs that are beta times as wide as before.
    """

    model: Any
    before: Graph
    regions: Regions
    beta: int = 1
    changes: dict[str, Changes] = field(default_factory=dict)
    repeated: dict[str, str] = field(default_factory=dict)
    axes: dict[str, int | None] = field(default_factory=dict)
    wide_outputs: tuple[str, ...] = ()

    def shape_after(self, value: Value) -> list[int | None]:
        """The shape that a value of the old network has in the new one."""
        shape, axis = list(value.shape), self.axes.get(value.tap)
        if axis is not None:
            shape[axis] = (shape[axis] or 0) * self.beta or None
        return shape


def rep_tran(model: Any, beta: int) -> Any:
    """The Rep-BNN of a binary neural network: feature maps beta times as wide, binary weights and MACs unchanged.

    Args:
        model: a functional or Sequential Keras 2 model; models inside it are inlined in the result.
        beta: the repeat factor, at least 1; it must divide the output channels of every convolution that changes.

    Returns:
        a new Keras model. Layer names and hyper-parameters are carried over. Layers whose shapes change start with
        fresh weights; all others keep theirs. beta = 1 gives a copy, weights bit for bit. The given model stays as
        it was.

    Raises:
        UsageError: beta is no whole number of at least 1.
        BadInputError: no built Keras 2 model.
        UnsupportedError: a layer without a rule, by name: a Python Lambda, a subclassed model, a width that beta does
            not divide; or a network without a binary layer.
    """
    return widen(model, beta).model


def widen(model: Any, beta: int) -> Widened:
    """``rep_tran``, with an account of what it did."""
    if isinstance(beta, bool) or not isinstance(beta, int) or beta < 1:
        raise UsageError("beta", f"it is {beta}", "give a whole number of at least 1")
    graph = walk(model)
    regions = find_regions(graph)
    if beta == 1:
        return Widened(_copy_of(model), graph, regions)
    if not regions.binary:
        raise _nothing_binary(graph)
    widener = _Widener(graph, regions, beta)
    new = rebuild(graph, widener.rewrite)
    wide = tuple(value.tap for value in graph.outputs if widener.axes.get(value.tap) is not None)
    repeated = {tap: layer.name for tap, (layer, _) in widener.repeated.items()}
    widened = Widened(new, graph, regions, beta, widener.new.changes, repeated, widener.axes, wide)
    _assert_same_work(widened)
    return widened


@dataclass
class _Widener:
    graph: Graph
    regions: Regions
    beta: int
    new: NewLayers = field(default_factory=NewLayers)
    axes: dict[str, int | None] = field(default_factory=dict)
    repeated: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Two calls of one layer must agree about its copy; a wrapped function has nothing to share.
        self.shared = {n.layer_name for n in self.graph.nodes if not n.is_first_call and not n.is_operation}

    def rewrite(self, node: Node, tensors: tuple[Any, ...]) -> Any:
        """The new form of a call, None where it stays; keeps account of which axis of each value is wide."""
        axes = [self.axes.get(value.tap) for value in node.inputs]
        call = Call(node, self.beta, list(tensors), axes, self.new, lambda i: self._repeat(node.inputs[i], tensors[i]))
        for i, value in enumerate(node.inputs):
            if node.name not in self.regions.stem and value == self.regions.stem_end:
                call.widen(i)
        rule = self._rule(node, call)
        if rule is None:
            return call.copied((None,) * len(node.outputs)).tensors if node.layer_name in self.shared else None
        result: Result = rule(call)
        for value, axis in zip(node.outputs, result.axes, strict=True):
            self.axes[value.tap] = axis
        return result.tensors

    def _rule(self, node: Node, call: Call) -> Rule | None:
        """The rule for a call; None for one that stays: in the stem, behind the last layer, beside them."""
        plain = all(axis is None for axis in call.axes)
        special: list[tuple[frozenset[str], Rule]] = [
            (self.regions.last, last_layer),
            (self.regions.squeeze, squeeze),
        ]
        for names, rule in special:
            if node.name in names:
                return None if plain else rule
        if node.name in self.regions.excite:
            return excite
        if node.name in self.regions.binary or (has_kernel(node) and not plain):
            return kernel_layer
        return None if plain else self._rule_for_wide(node)

    def _rule_for_wide(self, node: Node) -> Rule:
        rules = OPERATION_RULES if node.is_operation else LAYER_RULES
        rule = rules.get(node.operation) if node.is_operation or known_class(node) else None
        if rule is None:
            raise UnsupportedError(
                node.layer_name,
                f"RepTran has no rule for {node.operation}",
                "replace it, or leave this network at beta 1",
            )
        return rule

    def _repeat(self, value: Value, tensor: Any) -> Any:
        from repbnn_edge.layers import RepeatChannels

        if value.tap not in self.repeated:
            name = value.tap.replace(":", "_").replace("#", "_") + "_repeat"
            layer = RepeatChannels(self.beta, name=name)
            self.repeated[value.tap] = layer, layer(tensor)
        return self.repeated[value.tap][1]


def _copy_of(model: Any) -> Any:
    """A copy with the same structure (models inside models too), the same names and the same weights."""
    copy = stack.tensorflow().keras.models.clone_model(model, clone_function=copy_layer)
    copy.set_weights(model.get_weights())
    return copy


def _nothing_binary(graph: Graph) -> UnsupportedError:
    for node in graph.nodes:
        bits = precision_of(getattr(node.layer, "input_quantizer", None))
        if weight_precision(node.layer) == 1 and bits is not None and bits > 1:
            return UnsupportedError(
                node.layer_name,
                f"its activations have {bits} bits, and binary layers need 1",
                "use a 1-bit input_quantizer",
            )
    return UnsupportedError(
        graph.name, "none of its layers has binary weights and a binary input", "quantise them with larq's quantisers"
    )


def _assert_same_work(widened: Widened) -> None:
    """Binary weights and MACs of every binary layer but a last one are what they were, or the rules are broken."""
    before, after = costs(widened.before), costs(widened.model)
    for name in sorted(widened.regions.binary - widened.regions.last):
        old, new = before[name], after[name]
        if (old.binary_weights, old.binary_macs) != (new.binary_weights, new.binary_macs):
            raise RepbnnError(
                name,
                f"RepTran changed its binary weights from {old.binary_weights} to {new.binary_weights} and its MACs "
                f"from {old.binary_macs} to {new.binary_macs}",
                "report this as a bug",
            )
