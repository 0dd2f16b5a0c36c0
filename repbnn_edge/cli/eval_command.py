"""``repbnn-edge eval``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repbnn_edge.cli.output import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from repbnn_edge.reports import EvalDifference, EvalReport

_MOST_CLASSES = 20
"""A wider confusion matrix is for --json."""

EPILOG = "Example: repbnn-edge eval network.tflite --data cifar10/test.npz --runtime litert --runtime lce"


def command(
    file: Annotated[Path, typer.Argument(help="The .tflite; preprocessing and labels are read from it.")],
    data: Annotated[Path, typer.Option(help="Folder class/picture.jpg, .npz, or CIFAR's .bin.", envvar="REPBNN_DATA")],
    runtime: Annotated[
        list[str] | None, typer.Option(help="litert, tflite or lce; repeatable, side by side.", show_default="litert")
    ] = None,
    num_threads: Annotated[
        int | None, typer.Option(min=1, help="Sessions that run at once.", show_default="one a core")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="What the file was made of (.onnx, .keras ...): run beside it, differences counted."),
    ] = None,
    answers: Annotated[
        list[Path] | None, typer.Option(help=".npy of scores (pictures, classes) from elsewhere; repeatable.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use the first pictures only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure top-1 and top-5 of a file on labelled pictures."""
    from repbnn_edge.evaluation import evaluate

    report = evaluate(
        file,
        data,
        runtimes=runtime or ["litert"],
        num_threads=num_threads,
        limit=limit,
        source=source,
        answers=answers or [],
    )
    if as_json:
        print_json("eval", report.to_json())
    else:
        _print(report)


def _print(report: EvalReport) -> None:
    from rich.table import Table

    from repbnn_edge import console

    table = Table(title=f"{report.file} on {report.data}", title_justify="left")
    for name in ("runtime", "version", "threads", "pictures", "top-1", "top-5", "pictures/s"):
        table.add_column(name, justify="left" if name == "runtime" else "right")
    for result in report.results:
        table.add_row(
            result.runtime,
            result.version,
            str(result.threads or ""),
            f"{result.samples:,}",
            f"{result.top1:.2%}",
            f"{result.top5:.2%}",
            f"{result.images_per_second:,.1f}" if result.images_per_second else "",
        )
    console.out().print(table)
    _print_confusion(report, console.out())
    if len(report.results) > 1:
        console.out().print(f"the same top-1 from all: {report.agreement:.2%} of the pictures")
    for row in report.differences:
        console.out().print(_difference(row), soft_wrap=True)


def _print_confusion(report: EvalReport, out: Console) -> None:
    """Rows are the labels, columns the answers, of the first runtime."""
    from rich.table import Table

    from repbnn_edge.runtime.sessions import RUNTIMES

    result = next(result for result in report.results if result.runtime in RUNTIMES)
    matrix = result.confusion
    if matrix is None or len(matrix) > _MOST_CLASSES:
        return
    table = Table(title=f"answers of {result.runtime} (columns) by label (rows)", title_justify="left", box=None)
    table.add_column("", no_wrap=True)
    for index in range(len(matrix)):
        table.add_column(str(index), justify="right")
    for index, row in enumerate(matrix):
        name = f" {report.labels[index]}" if index < len(report.labels) else ""
        table.add_row(f"{index}{name}", *(str(count) if count else "." for count in row))
    out.print(table)


def _difference(row: EvalDifference) -> str:
    if not row.pictures:
        return f"{row.runtime}: the source's top-1 on every picture"
    causes = {
        "a tie at a sign": row.tie,
        "float rounding before a sign": row.rounding,
        "float rounding behind the last": row.output,
        "unexplained": row.unexplained,
    }
    found = ", ".join(f"{cause} {count}" for cause, count in causes.items() if count)
    return f"{row.runtime}: another top-1 than the source's on {row.pictures} pictures: {found}"
