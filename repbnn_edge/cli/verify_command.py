"""``repbnn-edge verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repbnn_edge import console
from repbnn_edge.cli import source_options
from repbnn_edge.cli.source_options import Beta, InputShape, Labels, Mean, Source, Std, Weights
from repbnn_edge.errors import VerificationError

if TYPE_CHECKING:
    from repbnn_edge.reports import ConvertReport, LayerCheck, SecondRuntimeCheck, VerificationReport

EPILOG = "Example: repbnn-edge verify net.keras net.tflite --samples 32"
_SHOWN = 20


class FileRefutedError(VerificationError):
    """The file is not the source; the report has been printed."""

    reported = True


def command(
    source: Source,
    file: Annotated[Path, typer.Argument(metavar="FILE.tflite", help="The file to judge.", show_default=False)],
    beta: Beta = None,
    weights: Weights = None,
    input_shape: InputShape = None,
    mean: Mean = None,
    std: Std = None,
    labels: Labels = None,
    samples: Annotated[int, typer.Option("--samples", metavar="N", help="Pictures to run.")] = 16,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DATA", help="Pictures: a folder, .npz or CIFAR; default: ours.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove or refute that a file is its source, layer by layer."""
    from repbnn_edge.cli.output import print_json
    from repbnn_edge.conversion.verifying import verify

    report = verify(
        source,
        file,
        beta=beta,
        weights=weights,
        input_shape=source_options.shape("--input-shape", input_shape),
        mean=source_options.numbers("--mean", mean),
        std=source_options.numbers("--std", std),
        labels=source_options.labels(labels),
        samples=samples,
        data=data,
    )
    proof = report.verification
    assert proof is not None
    if as_json:
        print_json("verify", report.to_json())
    else:
        _print(report, proof)
    if not proof.passed:
        first = proof.failures[0] if proof.failures else "a check failed"
        raise FileRefutedError(str(file), f"it is not {source}: {first}", "convert the source again")


def _print(report: ConvertReport, proof: VerificationReport) -> None:
    from rich.markup import escape
    from rich.table import Table

    out = console.out()
    for warning in report.warnings:
        console.warn(warning)
    table = Table("layer", "elements", "wrong", "largest error", "", box=None, header_style="bold")
    wrong = [row for row in proof.layers if not row.passed]
    for row in wrong[:_SHOWN] if wrong else proof.layers:
        table.add_row(*_row(row))
    out.print(table)
    if len(wrong) > _SHOWN:
        out.print(f"... and {len(wrong) - _SHOWN} more, see --json")
    for failure in _without_row(proof)[:_SHOWN]:
        out.print(f"[red]wrong[/red]  {escape(failure)}", soft_wrap=True)
    verdict = "[green]proven[/green]" if proof.passed else "[red]refuted[/red]"
    out.print(
        f"{verdict}: {proof.exact_binary_layers} of {proof.binary_layers} binary layers exact, largest float error "
        f"{proof.max_float_error:.1e}; end to end {proof.flipped_bit_rate:.2g} of bits flipped, top-1 agrees on "
        f"{proof.top1_agreement:.0%} of {proof.samples} samples; {proof.sign_zeros} zeros at a sign",
        soft_wrap=True,
    )
    out.print(_second(proof.second_runtime), soft_wrap=True, highlight=False)


def _second(check: SecondRuntimeCheck | None) -> str:
    if check is None:
        return "stock LiteRT: not looked at, the delegate is not installed (repbnn-edge doctor)"
    if check.detail:
        return f"stock LiteRT with the delegate: {check.detail}"
    return (
        f"stock LiteRT with the delegate ({check.implementation}): {check.exact_binary_outputs} of "
        f"{check.binary_outputs} binary operators equal LCE's in every bit, floats to {check.max_float_difference:.1e}"
    )


def _row(row: LayerCheck) -> tuple[str, str, str, str, str]:
    from rich.markup import escape

    mark = "[green]ok[/green]" if row.passed else "[red]wrong[/red]"
    error = "" if row.binary else f"{row.max_error:.1e}"
    wrong = f"{row.wrong_elements:,}" if row.binary else ""
    detail = "" if row.binary and row.passed else f" {escape(row.detail)}"
    return escape(row.name), f"{row.elements:,}", wrong, error, mark + detail


def _without_row(proof: VerificationReport) -> list[str]:
    shown = {f"{row.name}: {row.detail}" for row in proof.layers}
    return [failure for failure in proof.failures if failure not in shown]
