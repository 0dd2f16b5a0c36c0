"""``repbnn-edge convert``."""

from __future__ import annotations

import shlex
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repbnn_edge import console
from repbnn_edge.cli import source_options
from repbnn_edge.cli.source_options import Beta, InputShape, Labels, Mean, Source, Std, Weights

if TYPE_CHECKING:
    from repbnn_edge.reports import ConvertReport, VerificationReport

EPILOG = "Example: repbnn-edge convert rep-adambnn-reactnet-a --float-weights int8 -o net.tflite"


class FloatWeights(str, Enum):
    """How float weights are stored."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


def command(
    source: Source,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT.tflite", help="Default: SOURCE's stem + .tflite, here."),
    ] = None,
    beta: Beta = None,
    weights: Weights = None,
    input_shape: InputShape = None,
    mean: Mean = None,
    std: Std = None,
    labels: Labels = None,
    float_weights: Annotated[
        FloatWeights, typer.Option("--float-weights", help="How weights behind the last sign are stored.")
    ] = FloatWeights.FLOAT32,
    float_weights_all: Annotated[
        bool, typer.Option("--float-weights-all", help="The same for stem and shortcuts: flips bits.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Prove the file before it is written.")] = True,
    samples: Annotated[int, typer.Option("--samples", metavar="N", help="Inputs that the proof runs.")] = 16,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DATA", help="Pictures for the proof: a folder, .npz or CIFAR.")
    ] = None,
    keras: Annotated[
        Path | None, typer.Option("--keras", metavar="OUT.keras", help="Write the network as a .keras file too.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="OUT.html", help="Write a page about the result.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Convert a network into a binary TFLite flatbuffer, and prove it."""
    from repbnn_edge.cli.output import print_json
    from repbnn_edge.conversion import ConversionRefutedError, convert

    try:
        result = convert(
            source,
            output,
            beta=beta,
            weights=weights,
            input_shape=source_options.shape("--input-shape", input_shape),
            mean=source_options.numbers("--mean", mean),
            std=source_options.numbers("--std", std),
            labels=source_options.labels(labels),
            float_weights=float_weights.value,
            float_weights_all=float_weights_all,
            verify=verify,
            samples=samples,
            data=data,
            keras=keras,
            report=report,
            force=force,
        )
    except ConversionRefutedError as refuted:
        if as_json:
            print_json("convert", refuted.report.to_json())
        else:
            _print(refuted.report, written=False)
        refuted.reported = True
        raise
    if as_json:
        print_json("convert", result.to_json())
        return
    _print(result, written=True)


def _print(result: ConvertReport, *, written: bool) -> None:
    from rich.markup import escape

    out = console.out()
    for warning in result.warnings:
        console.warn(warning)
    for name, value in _facts(result):
        out.print(f"[bold]{name:<15}[/bold] {escape(value)}", soft_wrap=True)
    proof = result.verification
    if proof is not None and not proof.passed:
        for failure in proof.failures[:10]:
            out.print(f"[red]wrong[/red]           {escape(failure)}", soft_wrap=True)
    if written:
        path = result.output
        out.print(f"[green]{escape(path)}[/green]; next: repbnn-edge bench {escape(shlex.quote(path))}", soft_wrap=True)
    else:
        out.print("[red]nothing was written[/red]", soft_wrap=True)


def _facts(result: ConvertReport) -> list[tuple[str, str]]:
    seconds = result.seconds
    took = f"{seconds.load:.1f} s to load, {seconds.convert:.1f} to convert"
    facts = [
        ("source", f"{result.source.kind} {result.source.name}" + (f", beta {result.beta}" if result.beta else "")),
        ("file", f"{result.bytes:,} bytes"),
        ("MACs", f"{result.macs.binary:,} 1-bit, {result.macs.float:,} 32-bit"),
    ]
    proof = result.verification
    if proof is None:
        layers = result.binary_convolutions
        facts.append(("binary layers", f"{layers.binary} of {layers.found} binary, not proven (--no-verify)"))
        return [*facts, ("time", took)]
    return [*facts, *_proof(proof), ("time", f"{took}, {seconds.verify:.1f} to prove")]


def _proof(proof: VerificationReport) -> list[tuple[str, str]]:
    rows = [
        ("binary layers", f"{proof.exact_binary_layers} of {proof.binary_layers} exact on {proof.samples} samples"),
        ("float layers", f"largest relative error {proof.max_float_error:.1e}"),
        ("end to end", f"{proof.flipped_bit_rate:.2g} of bits flipped, top-1 agrees on {proof.top1_agreement:.0%}"),
    ]
    own = proof.notes.get("source_optimised_flipped_bit_rate")
    if own is not None:
        rows.append(("", f"(onnxruntime's own optimisations flip {own:.2g})"))
    return rows
