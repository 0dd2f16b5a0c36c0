"""What RepTran did to a network, layer by layer, in the words of larq's summary."""

from __future__ import annotations

from typing import Literal

from repbnn_edge.keras_graph import Cost, Node, costs, totals
from repbnn_edge.reports import CountPair, Report, SourceReport
from repbnn_edge.reptran.widening import Widened

Shape = list[int | None]
Weights = Literal["kept", "fresh", "tiled", "none"]


class LayerState(Report):
    """One side of a row: weights and MACs of one call, and its output shapes (batch first, None where open)."""

    outputs: list[Shape]
    weights: CountPair
    macs: CountPair


class TransformLayer(Report):
    """One call of the network before and after; ``before`` is None for a repeat that RepTran put in."""

    name: str
    kind: str
    input_bits: int | None
    before: LayerState | None
    after: LayerState
    weights: Weights
    note: str = ""


class BeforeAfter(Report):
    """A pair of counts on both sides."""

    before: CountPair
    after: CountPair


class TransformReport(Report):
    """The result of ``transform``.

    Attributes:
        fresh_layers: layers whose weights start afresh, because their shapes changed.
        repeated: the values that are repeated beta times: one, at the stem's end, in most networks.
        last_layers: the layers whose output width stays.
        ops: float MACs + binary MACs / 64.
    """

    source: SourceReport | None
    output: str | None
    bytes: int | None
    beta: int
    binary_layers: int
    layers: list[TransformLayer]
    macs: BeforeAfter
    parameters: BeforeAfter
    ops: tuple[float, float]
    fresh_layers: list[str]
    repeated: list[str]
    last_layers: list[str]
    warnings: list[str]


def rows(widened: Widened) -> list[TransformLayer]:
    """The table, in the old network's order, each inserted repeat behind the layer that feeds it."""
    before, after = costs(widened.before), costs(widened.model)
    table: list[TransformLayer] = []
    inserted = widened.repeated
    for value in widened.before.inputs:
        table += _repeat_row(inserted, value.tap, [list(value.shape)], widened.beta)
    for node in widened.before.nodes:
        table.append(_row(widened, node, before[node.name], after))
        for value in node.outputs:
            table += _repeat_row(inserted, value.tap, [list(value.shape)], widened.beta)
    return table


def count_pairs(widened: Widened) -> tuple[BeforeAfter, BeforeAfter]:
    """MACs and parameters of the network on both sides."""
    before, after = totals(widened.before), totals(widened.model)
    macs, parameters = (
        BeforeAfter(before=CountPair(**before[what]), after=CountPair(**after[what])) for what in ("macs", "parameters")
    )
    return macs, parameters


def ops(macs: CountPair) -> float:
    """Operations as the field's papers count them."""
    return macs.float + macs.binary / 64


def _row(widened: Widened, node: Node, before: Cost, after: dict[str, Cost]) -> TransformLayer:
    change = widened.changes.get(node.layer_name)
    call = node.name.removeprefix(node.layer_name)  # "" or "#2"
    names = [layer.name + call for layer in change.layers] if change else [node.name]
    new = [after[name] for name in names if name in after]
    weights: Weights = "none" if not node.layer.weights else change.weights if change else "kept"
    return TransformLayer(
        name=node.name,
        kind=node.operation,
        input_bits=before.input_bits,
        before=_state([list(value.shape) for value in node.outputs], [before]),
        after=_state([widened.shape_after(value) for value in node.outputs], new),
        weights=weights,
        note=change.note if change else "",
    )


def _repeat_row(inserted: dict[str, str], tap: str, shapes: list[Shape], beta: int) -> list[TransformLayer]:
    if tap not in inserted:
        return []
    wide: list[Shape] = [[*shape[:-1], (shape[-1] or 0) * beta or None] for shape in shapes]
    return [
        TransformLayer(
            name=inserted[tap],
            kind="RepeatChannels",
            input_bits=None,
            before=None,
            after=_state(wide, []),
            weights="none",
            note=f"the map, {beta} times",
        )
    ]


def _state(outputs: list[Shape], each: list[Cost]) -> LayerState:
    return LayerState(
        outputs=outputs,
        weights=CountPair(binary=sum(c.binary_weights for c in each), float=sum(c.float_weights for c in each)),
        macs=CountPair(binary=sum(c.binary_macs for c in each), float=sum(c.float_macs for c in each)),
    )
