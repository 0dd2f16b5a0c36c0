"""``repbnn-edge inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repbnn_edge import console

if TYPE_CHECKING:
    from rich.console import Console

    from repbnn_edge.inspection import InspectReport, OperatorRow

# larq's words, and two of our own at the end.
_COLUMNS = [
    ("#", "right"),
    ("operator", "left"),
    ("name", "left"),
    ("bits", "right"),
    ("outputs", "left"),
    ("# 1-bit", "right"),
    ("# 32-bit", "right"),
    ("memory kB", "right"),
    ("1-bit MACs", "right"),
    ("32-bit MACs", "right"),
    ("moves kB", "right"),
    ("runs on", "left"),
]
_FIRST_TO_GO = (2, 3, 5, 6, 11, 10)
EPILOG = "Example: repbnn-edge inspect rep-adambnn-reactnet-a.tflite"

_LONGEST_NAME = 40
_STYLES = {"binary": "green", "float": "", "elementwise": "yellow", "other": "dim"}


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .tflite file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what is in a TFLite file: operators, binary and float, weights, MACs, metadata, what runs where."""
    from repbnn_edge.cli.output import print_json
    from repbnn_edge.inspection import inspect_file

    report = inspect_file(file)
    if as_json:
        print_json("inspect", report.to_json())
        return
    for warning in report.warnings:
        console.warn(warning)
    _print(report)


def _print(report: InspectReport) -> None:
    from rich.segment import Segment, Segments
    from rich.style import Style

    out = console.out()
    rows = [[name for name, _ in _COLUMNS], *(_cells(row) for row in report.operators)]
    styles = ["bold", *(_STYLES[row.kind] for row in report.operators)]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    shown = _fitting(widths, out.width if out.is_terminal else None)
    lines = [
        "  ".join(cells[i].ljust(widths[i]) if _COLUMNS[i][1] == "left" else cells[i].rjust(widths[i]) for i in shown)
        for cells in rows
    ]
    # Segments, not a rich table: a hundred times faster for three hundred rows, and never wrapped or cut.
    out.print(
        Segments(
            [
                Segment(line.rstrip() + "\n", Style.parse(style) if style else None)
                for line, style in zip(lines, styles, strict=True)
            ]
        ),
        crop=False,
        no_wrap=True,
        soft_wrap=True,
    )
    _totals(out, report)


def _fitting(widths: list[int], room: int | None) -> list[int]:
    """The columns that fit, the least told first to go; all of them where there is no edge to wrap at."""
    shown = list(range(len(widths)))
    for index in _FIRST_TO_GO:
        if room is None or sum(widths[i] + 2 for i in shown) - 2 <= room:
            break
        shown = [i for i in shown if i != index]
    return shown


def _cells(row: OperatorRow) -> list[str]:
    macs = _count(row.macs)
    return [
        str(row.index),
        row.op,
        _short(row.name),
        str(row.input_bits or ""),
        " ".join("x".join(map(str, shape)) for shape in row.output_shapes),
        _count(row.weights.binary),
        _count(row.weights.float),
        _kilobytes(row.weight_bytes),
        macs if row.binary else "",
        "" if row.binary else macs,
        _kilobytes(row.activation_bytes) if row.kind == "elementwise" else "",
        "any" if "tflite" in row.runs_on else "/".join(row.runs_on) or "?",
    ]


def _totals(out: Console, report: InspectReport) -> None:
    from rich.markup import escape

    out.print()
    for name, value in _facts(report):
        out.print(f"[bold]{name:<22}[/bold] {escape(value)}", soft_wrap=True)


def _facts(report: InspectReport) -> list[tuple[str, str]]:
    macs, weights = report.macs, report.weight_bytes
    facts = [
        ("file", f"{report.path}, {report.bytes:,} bytes"),
        ("input", ", ".join(f"{t.type} {t.shape}" for t in report.inputs)),
        ("output", ", ".join(f"{t.type} {t.shape}" for t in report.outputs)),
        ("operators", f"{len(report.operators)}, {report.binary_convolutions} of them binary convolutions"),
        ("MACs", f"{macs.binary:,} 1-bit, {macs.float:,} 32-bit ({report.binary_mac_ratio:.2%} binarized)"),
        ("OPs", f"{report.ops / 1e8:.3f}e8 (32-bit + 1-bit / 64)"),
        ("parameters", f"{report.parameters.binary:,} 1-bit, {report.parameters.float:,} other"),
        (
            "weights",
            f"{weights.binary / 1e6:.2f} MB 1-bit, {weights.float / 1e6:.2f} MB other "
            f"(as float32: {report.float32_equivalent_bytes / 1e6:.2f} MB)",
        ),
    ]
    moved = report.elementwise
    if moved.operators:
        facts.append(
            ("unfused float work", f"{moved.operators} operators (yellow) move {moved.activation_bytes / 1e6:.1f} MB")
        )
    return [*facts, ("runs on", _where(report)), *_about(report)]


def _where(report: InspectReport) -> str:
    words = {
        "tflite": "stock TFLite and LiteRT",
        "lce": "LCE's interpreter",
        "repbnn": "stock TFLite with the repbnn delegate",
    }
    return ", ".join(words[runtime] for runtime in report.runs_on) or "no runtime that we know"


def _about(report: InspectReport) -> list[tuple[str, str]]:
    about = report.metadata
    facts = []
    if about.mean is not None and about.std is not None:
        facts.append(("preprocessing", f"(pixel - {about.mean}) / {about.std}, pixels 0..255, RGB"))
    if about.labels:
        facts.append(("labels", f"{len(about.labels)}: {', '.join(about.labels[:3])}, ..."))
    made = about.provenance
    if made is not None and made.source is not None:
        beta = "" if made.beta is None else f", beta {made.beta}"
        facts.append(("source", f"{made.source.kind} {made.source.name}{beta}, sha256 {made.source.sha256[:16]}"))
    if made is not None and made.verification is not None:
        facts.append(("verified", "yes" if made.verification.get("passed") else "no"))
    if not about.entries or (about.mean is None and not about.labels and made is None):
        facts.append(("metadata", "none of preprocessing, labels or source"))
    return facts


def _short(name: str) -> str:
    """The converter joins the names of all that it fused; the first says where one is."""
    first = name.split(";")[0].removeprefix("model/")
    return first if len(first) <= _LONGEST_NAME else first[: _LONGEST_NAME - 1] + "…"


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _kilobytes(number: int) -> str:
    return f"{number / 1e3:,.1f}" if number else ""
