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
    folder: Annotated[Path, typer.Option(help="Where the converted file goes.")] = Path("demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the whole road on the built-in default: convert, prove, classify pictures, time."""
    from repbnn_edge.demonstration import demonstrate

    report = demonstrate(folder)
    if as_json:
        print_json("demo", report.to_json())
    else:
        from repbnn_edge import console

        show(report, console.out())


def show(report: DemoReport, out: Console) -> None:
    """Print the screen of the demo."""
    _pictures(report, out)
    conversion, proof = report.conversion, report.conversion.verification
    assert proof is not None
    out.print()
    out.print(f"[bold]{conversion.source.name}[/bold] -> {conversion.output}")
    binary = f"{proof.exact_binary_layers} of {proof.binary_layers} binary convolutions exact"
    out.print(f"  proof    {binary} on {proof.samples} pictures, float layers within {proof.max_float_error:.1e}")
    out.print(f"           the same top-1 as the source on {proof.top1_agreement:.0%} of the pictures")
    times = conversion.bytes / 1e6, report.float32_bytes / 1e6
    out.print(f"  size     {times[0]:.2f} MB; its weights in float32 are {times[1]:.2f} MB")
    out.print(f"  speed    {_speed(report)}")
    out.print(f"  {_accuracy(report)}", soft_wrap=True)
    out.print()
    out.print(f"next: repbnn-edge inspect {conversion.output}")
    out.print(f"      repbnn-edge bench {conversion.output} --runtime litert --runtime lce")


def _accuracy(report: DemoReport) -> str:
    trained = report.trained
    if trained is None:
        return "[yellow]untrained: its weights are seeded, so the answers above are chance[/yellow]"
    right = sum(picture.answer == picture.truth for picture in report.pictures)
    others = "".join(f", beta {beta} trained the same way {top1:.1%}" for beta, top1 in trained["other_betas"].items())
    known = f"{trained['top1']:.1%} of {trained['test_images']:,} test pictures{others} ({trained['data']})"
    return f"answers  {right} of the {len(report.pictures)} above are right; {known}"


def _speed(report: DemoReport) -> str:
    lce = report.latency_ms["lce"]
    ours = report.latency_ms.get("litert")
    if ours is None:
        return f"{lce:.2f} ms in LCE's interpreter; this installation has no delegate (repbnn-edge doctor says why)"
    return f"{ours:.2f} ms in stock LiteRT with our delegate, {lce:.2f} ms in LCE's interpreter: {lce / ours:.0f} times"


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
