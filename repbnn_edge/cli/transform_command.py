"""``repbnn-edge transform``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repbnn_edge import console

if TYPE_CHECKING:
    from repbnn_edge.reptran.report import LayerState, TransformLayer, TransformReport

EPILOG = "Example: repbnn-edge transform quicknet.keras --beta 2 -o rep-quicknet.keras"
_SEED = 0
# larq's words; "before → after" where the two differ.
_COLUMNS = (
    *("Layer", "Kind", "Input prec. (bit)", "Outputs", "# 1-bit", "# 32-bit"),
    *("1-bit MACs", "32-bit MACs", "Weights"),
)
_LEFT = (0, 1, 8)
_FIRST_TO_GO = (1, 8, 7, 5)


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A .keras or .h5 file, a built-in name, or file.py:function.", show_default=False
        ),
    ],
    beta: Annotated[int, typer.Option("--beta", help="The repeat factor: 2 in the paper.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The .keras file to write; without it, the table alone.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """RepTran: turn a binary network into its Rep-BNN, and print it layer by layer, before and after.

    Feature maps become beta times as wide; binary weights and multiply-accumulates stay as they are. Layers that
    change shape start with fresh weights, so the result is to be trained.
    """
    from repbnn_edge.cli.output import print_json
    from repbnn_edge.reptran import transform

    with console.step(f"transforming {source}"):
        report = transform(source, beta, output, force=force, seed=_SEED)
    if as_json:
        print_json("transform", report.to_json())
        return
    _print_table(report)
    _totals(report)
    for warning in report.warnings:
        console.warn(warning)


def _print_table(report: TransformReport) -> None:
    out = console.out()
    rows = [list(_COLUMNS), *(_cells(layer) for layer in report.layers)]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    shown = list(range(len(widths)))
    for index in _FIRST_TO_GO:
        if not out.is_terminal or sum(widths[i] + 2 for i in shown) <= out.width:
            break
        shown.remove(index)
    for cells in rows:
        line = "  ".join(cells[i].ljust(widths[i]) if i in _LEFT else cells[i].rjust(widths[i]) for i in shown)
        out.print(line.rstrip(), markup=False, soft_wrap=True, style=_style(cells))


def _style(cells: list[str]) -> str:
    if cells[0] == _COLUMNS[0]:
        return "bold"
    return "green" if cells[2] == "1" else "" if any("→" in cell for cell in cells) else "dim"


def _cells(layer: TransformLayer) -> list[str]:
    before, after = layer.before, layer.after
    numbers = [
        _change(_outputs(before) if before else "", _outputs(after)),
        *(
            _change(_count(getattr(getattr(before, what), kind)) if before else "", _count(getattr(pair, kind)))
            for what, pair in (("weights", after.weights), ("macs", after.macs))
            for kind in ("binary", "float")
        ),
    ]
    bits = "-" if layer.input_bits is None else str(layer.input_bits)
    weights = "" if layer.weights == "none" else layer.weights
    return [layer.name, layer.kind, bits, *numbers, ", ".join(filter(None, (weights, layer.note)))]


def _totals(report: TransformReport) -> None:
    macs, parameters, out = report.macs, report.parameters, console.out()
    for name, pair in (("MACs", macs), ("parameters", parameters)):
        binary = _change(f"{pair.before.binary:,}", f"{pair.after.binary:,}")
        full = _change(f"{pair.before.float:,}", f"{pair.after.float:,}")
        out.print(f"{name}: {binary} 1-bit, {full} 32-bit")
    out.print(f"OPs (32-bit + 1-bit MACs / 64): {_change(*(f'{value:.4g}' for value in report.ops))}")
    if report.output:
        out.print(f"{report.output}, {report.bytes:,} bytes; next: repbnn-edge convert {report.output}", soft_wrap=True)
    else:
        out.print("nothing was written; -o OUT.keras writes the network")


def _outputs(state: LayerState) -> str:
    return " ".join("x".join("?" if size is None else str(size) for size in shape[1:]) for shape in state.outputs)


def _change(before: str, after: str) -> str:
    return after if before in ("", after) else f"{before} → {after}"


def _count(number: int) -> str:
    return f"{number:,}" if number else "0"
