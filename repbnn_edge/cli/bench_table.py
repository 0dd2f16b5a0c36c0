"""How ``bench`` prints its report to a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repbnn_edge.benching.report import BenchReport, BenchResult

_LONGEST = 8


def show(report: BenchReport, *, memory: bool) -> None:
    """A table of all rows, then what speaks against numbers, then the longest operators where they were timed."""
    from rich.table import Table

    from repbnn_edge import console

    out = console.out()
    table = Table()
    for name in ("device", "file", "runtime"):
        table.add_column(name)
    references = _references(report)
    ratios = ["ratio"] if len(references) <= 1 else [f"to {name}" for name in references]
    for name in ("threads", "median ms", "95% interval", "p90", *ratios, *(("peak MB",) if memory else ())):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for result in report.results:
        table.add_row(*(_cell(text) for text in _cells(result, references, memory=memory)))
    out.print(table)
    for result in report.results:
        name = Path(result.model.path).name
        for reason in result.verdict.reasons:
            out.print(_cell(f"  {name}: {reason.code}: {reason.detail}"), soft_wrap=True)
        if result.baseline:
            low, high = result.baseline.ci95
            against = f"{result.baseline.ratio:.3f} ({low:.3f} to {high:.3f}) times {Path(result.baseline.path).name}"
            out.print(_cell(f"  {name}: {against}"), soft_wrap=True)
    for kernels in sorted({k for r in report.results if r.runtime and (k := r.runtime.float_kernels)}):
        out.print(_cell(f"  float and int8 operators: {kernels}"), soft_wrap=True)
    for result in report.results:
        if result.ops:
            _operators(result)


def _operators(result: BenchResult) -> None:
    from rich.table import Table

    from repbnn_edge import console

    name = Path(result.model.path).name
    table = Table(title=_cell(f"{name}: the longest of {len(result.ops or [])} steps"), box=None)
    for name in ("step", "name"):
        table.add_column(name)
    for name in ("ms", "share", "MACs"):
        table.add_column(name, justify="right")
    for op in sorted(result.ops or [], key=lambda op: -op.mean_ms)[:_LONGEST]:
        macs = f"{op.macs / 1e6:.1f} M" if op.macs else ""
        table.add_row(_cell(op.type), _cell(op.name[:60]), f"{op.mean_ms:.3f}", f"{op.share:.1%}", macs)
    console.out().print(table)


def _references(report: BenchReport) -> list[str]:
    """The files that rows are compared with, in order; without --against it is the first row of each device."""
    if not any(len(result.references) > 1 for result in report.results):
        return []
    return list(dict.fromkeys(_file(ref.name) for result in report.results for ref in result.references))


def _file(reference: str) -> str:
    return reference.partition(" in ")[0]


def _ratios(result: BenchResult, references: list[str]) -> list[str]:
    if not references:
        return [f"{result.references[0].ratio:.3f}" if result.references else "-"]
    known = {_file(reference.name): f"{reference.ratio:.3f}" for reference in result.references}
    return [known.get(name, "-") for name in references]


def _cells(result: BenchResult, references: list[str], *, memory: bool) -> list[str]:
    latency = result.latency_ms
    runtime = f"{result.runtime.name} {result.runtime.version}" if result.runtime else "-"
    if result.delegate:
        runtime += f" + repbnn ({result.delegate.implementation})"
    interval = latency.ci95_median if latency else None
    typical = result.typical_ms
    cells = [
        str(result.device.get("name") or result.device.get("model") or "-"),
        Path(result.model.path).name,
        runtime,
        str(result.config.num_threads),
        "-" if typical is None else f"{typical:.3f}{'' if latency and latency.median else ' (mean)'}",
        f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-",
        f"{latency.p90:.3f}" if latency and latency.p90 is not None else "-",
        *_ratios(result, references),
    ]
    if memory:
        cells.append("-" if result.peak_memory_bytes is None else f"{result.peak_memory_bytes / 1e6:.1f}")
    return [*cells, result.verdict.status]


def _cell(text: str) -> Any:
    """What a device or a file calls itself: no markup, and no control characters for the terminal."""
    from rich.text import Text

    return Text("".join(letter if letter.isprintable() else "?" for letter in text))
