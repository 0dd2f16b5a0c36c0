"""``repbnn-edge demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repbnn_edge.cli.output import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from repbnn_edge.reports import DemoReport

EPILOG = "Example: repbnn-edge demo --folder /tmp/demo"
_PER_ROW = 4


def command(
    folder: Annotated[Path, typer.Option(help="Where the converted file and the page go.")] = Path("demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the whole road on the built-in default: convert, prove, classify pictures, time; also as a page."""
    from repbnn_edge.demonstration import demonstrate
    from repbnn_edge.files import write_whole
    from repbnn_edge.htmlreport.demo import render

    report = demonstrate(folder)
    page = folder / "demo.html"
    write_whole(page, render(report).encode())
    if as_json:
        print_json("demo", report.to_json())
    else:
        from repbnn_edge import console

        show(report, console.out())
        console.out().print(f"page: {page}", soft_wrap=True)


def show(report: DemoReport, out: Console) -> None:
    """Print the screen of the demo."""
    from repbnn_edge.htmlreport.demo import accuracy, size, speed

    _pictures(report, out)
    conversion, proof = report.conversion, report.conversion.verification
    assert proof is not None
    out.print()
    out.print(f"[bold]{conversion.source.name}[/bold] -> {conversion.output}")
    binary = f"{proof.exact_binary_layers} of {proof.binary_layers} binary convolutions exact"
    out.print(f"  proof    {binary} on {proof.samples} pictures, float layers within {proof.max_float_error:.1e}")
    out.print(f"           the same top-1 as the source on {proof.top1_agreement:.0%} of the pictures")
    out.print(f"  size     {size(report)}")
    out.print(f"  speed    {speed(report)}", soft_wrap=True)
    untrained = "[yellow]untrained: its weights are seeded, so the answers above are chance[/yellow]"
    known = accuracy(report)
    out.print(f"  {untrained}" if known is None else f"  answers  {known}", soft_wrap=True)
    out.print()
    out.print(f"next: repbnn-edge inspect {conversion.output}")
    out.print(f"      repbnn-edge bench {conversion.output} --runtime litert --runtime lce")


def _pictures(report: DemoReport, out: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from repbnn_edge.demonstration import thumbnail

    table = Table.grid(padding=(0, 2))
    drawn = out.is_terminal and out.color_system is not None
    for start in range(0, len(report.pictures), _PER_ROW):
        row = list(enumerate(report.pictures))[start : start + _PER_ROW]
        if drawn:
            table.add_row(*(thumbnail(index) for index, _ in row))
        captions = []
        for _, picture in row:
            right = picture.answer == picture.truth
            captions.append(Text(f"{picture.truth}: {picture.answer} {picture.score:.0%}", "green" if right else "red"))
        table.add_row(*captions)
    out.print(table)
