"""The bar of operators: where the time of a row goes, by kind, and its longest steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from repbnn_edge.benching.report import BenchResult, OpTime

_LONGEST = 12
_CONVOLUTIONS = ("CONV", "DENSE", "FULLY_CONNECTED", "bconv2d")


@dataclass(frozen=True)
class Piece:
    """One step of the bar: its share in percent."""

    kind: str
    share: float
    title: str


@dataclass(frozen=True)
class Bar:
    """A row: its pieces in the order in which they run, sums by kind, and the longest."""

    number: int
    name: str
    pieces: list[Piece]
    kinds: list[tuple[str, str, str]]
    longest: list[OpTime]


def bars(numbered: Sequence[tuple[int, BenchResult]]) -> list[Bar]:
    """A bar for each row whose operators were timed."""
    return [_bar(number, result, result.ops) for number, result in numbered if result.ops]


def _bar(number: int, result: BenchResult, ops: list[OpTime]) -> Bar:
    total = sum(op.mean_ms for op in ops) or 1.0
    pieces = [
        Piece(kind_of(op), 100 * op.mean_ms / total, f"{op.type} {op.name}: {op.mean_ms:.3f} ms, {op.share:.1%}")
        for op in ops
    ]
    sums: dict[str, float] = {}
    for op in ops:
        sums[kind_of(op)] = sums.get(kind_of(op), 0.0) + op.mean_ms
    kinds = [
        (kind, _WORDS[kind], f"{value:.3f} ms ({value / total:.1%})")
        for kind, value in sorted(sums.items(), key=lambda item: -item[1])
    ]
    longest = sorted(ops, key=lambda op: -op.mean_ms)[:_LONGEST]
    return Bar(number, Path(result.model.path).name, pieces, kinds, longest)


_WORDS = {
    "binary": "binary convolutions, with what is fused behind them",
    "float": "float or int8 convolutions and dense layers",
    "elementwise": "work that moves memory",
    "other": "the runtime's own operators, not told apart",
}


def kind_of(op: OpTime) -> str:
    """The colour of an operator: ``binary``, ``float``, ``elementwise`` or ``other``."""
    if op.binary:
        return "binary"
    if op.index is None:
        return "other"
    return "float" if any(word in op.type for word in _CONVOLUTIONS) else "elementwise"
