"""How ``bench`` prints its report to a person: what all rows share stands above the table, so that 80 columns do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repbnn_edge.benching.report import BenchReport, BenchResult

_LONGEST = 8


@dataclass(frozen=True)
class _Column:
    """A column; one that says the same in each row can be left out."""

    title: str
    cell: Callable[[BenchResult], str]
    shared: str = ""  # what stands above the table instead, with {} for the one value; empty: never left out
    left: bool = False


def show(report: BenchReport, *, memory: bool) -> None:
    """A table of all rows, then what speaks against numbers, then the longest operators where they were timed."""
    from rich.table import Table

    from repbnn_edge import console

    out = console.out()
    columns, shared = [], []
    for column in _columns(report, memory=memory):
        values = {column.cell(result) for result in report.results}
        if column.shared and len(values) == 1:
            shared.append(column.shared.format(*values))
        else:
            columns.append(column)
    if shared:
        out.print(_cell(", ".join(shared)), soft_wrap=True)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column.title, justify="left" if column.left else "right", overflow="fold", no_wrap=not column.left
        )
    table.add_column("verdict", no_wrap=True)
    for result in report.results:
        table.add_row(*(_cell(column.cell(result)) for column in columns), _verdict(result))
    out.print(table)
    for line in _remarks(report):
        out.print(_cell(f"  {line}"), soft_wrap=True)
    for result in report.results:
        if result.ops:
            _operators(result)


def _columns(report: BenchReport, *, memory: bool) -> list[_Column]:
    references = _references(report)
    ratios = [_Column("ratio", lambda result: _ratio(result, None))]
    if references:
        ratios = [_Column(f"to {name}", _to(name)) for name in references]
    return [
        _Column("device", _device, "on {}", left=True),
        _Column("file", lambda result: Path(result.model.path).name, left=True),
        _Column("runtime", _runtime, "{}", left=True),
        _Column("threads", lambda result: str(result.config.num_threads), "threads: {}"),
        _Column("median ms", _median),
        _Column("95% interval", _interval),
        _Column("p90", lambda result: _number(result.latency_ms.p90 if result.latency_ms else None)),
        *ratios,
        *([_Column("peak MB", _peak)] if memory else []),
    ]


def _remarks(report: BenchReport) -> list[str]:
    """What speaks against numbers, what baselines say, and what exactly ran."""
    lines = []
    for result in report.results:
        name = Path(result.model.path).name
        lines += [f"{name}: {reason.code}: {reason.detail}" for reason in result.verdict.reasons]
        if result.baseline:
            low, high = result.baseline.ci95
            old = Path(result.baseline.path).name
            lines.append(f"{name}: {result.baseline.ratio:.3f} ({low:.3f} to {high:.3f}) times {old}")
    delegates = {
        f"repbnn {d.version} ({d.implementation}): {d.nodes_delegated} of {d.nodes_total} operators of"
        f" {Path(result.model.path).name}"
        for result in report.results
        if (d := result.delegate)
    }
    kernels = {k for r in report.results if r.runtime and (k := r.runtime.float_kernels)}
    return [*lines, *sorted(delegates), *(f"float and int8 operators: {text}" for text in sorted(kernels))]


def _operators(result: BenchResult) -> None:
    from rich.table import Table

    from repbnn_edge import console

    name = Path(result.model.path).name
    title = _cell(f"{name}: the longest of {len(result.ops or [])} steps")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("step")
    table.add_column("name", overflow="fold")
    for name in ("ms", "share", "MACs"):
        table.add_column(name, justify="right", no_wrap=True)
    for op in sorted(result.ops or [], key=lambda op: -op.mean_ms)[:_LONGEST]:
        macs = f"{op.macs / 1e6:.1f} M" if op.macs else ""
        table.add_row(_cell(op.type), _cell(op.name[:60]), f"{op.mean_ms:.3f}", f"{op.share:.1%}", macs)
    console.out().print(table)


def _references(report: BenchReport) -> list[str]:
    """The files that rows are compared with, where there are several, in order."""
    if not any(len(result.references) > 1 for result in report.results):
        return []
    return list(dict.fromkeys(_file(ref.name) for result in report.results for ref in result.references))


def _file(reference: str) -> str:
    return reference.partition(" in ")[0]


def _to(name: str) -> Callable[[BenchResult], str]:
    return lambda result: _ratio(result, name)


def _ratio(result: BenchResult, name: str | None) -> str:
    found = [r for r in result.references if name is None or _file(r.name) == name]
    return f"{found[0].ratio:.3f}" if found else "-"


def _device(result: BenchResult) -> str:
    return str(result.device.get("name") or result.device.get("model") or "-")


def _runtime(result: BenchResult) -> str:
    if result.runtime is None:
        return "-"
    return f"{result.runtime.name} {result.runtime.version}"  # the delegate has a line of its own below


def _median(result: BenchResult) -> str:
    mean_only = result.latency_ms is not None and result.latency_ms.median is None
    return f"{_number(result.typical_ms)}{' (mean)' if mean_only else ''}"


def _interval(result: BenchResult) -> str:
    interval = result.latency_ms.ci95_median if result.latency_ms else None
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-"


def _peak(result: BenchResult) -> str:
    return "-" if result.peak_memory_bytes is None else f"{result.peak_memory_bytes / 1e6:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _verdict(result: BenchResult) -> Any:
    from rich.text import Text

    colours = {"conclusive": "green", "inconclusive": "yellow"}
    return Text(result.verdict.status, style=colours.get(result.verdict.status, "red"))


def _cell(text: str) -> Any:
    """What a device or a file calls itself: no markup, and no control characters for the terminal."""
    from rich.text import Text

    return Text("".join(letter if letter.isprintable() else "?" for letter in text))
