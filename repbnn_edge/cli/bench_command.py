"""``repbnn-edge bench``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repbnn_edge.cli import devices_command
from repbnn_edge.cli.output import print_json
from repbnn_edge.errors import InconclusiveError, RepbnnError, UsageError

if TYPE_CHECKING:
    from repbnn_edge.benching.report import BenchReport, BenchResult

EPILOG = "Example: repbnn-edge bench network.tflite --device host --device pixel --num-threads 1,2"


def command(
    files: Annotated[list[Path], typer.Argument(help="One or more .tflite files, measured in turn.")],
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="host, pixel, a serial, user@host, a name of your own; repeatable.",
            show_default="host",
            autocompletion=devices_command.complete,
        ),
    ] = None,
    runtime: Annotated[
        list[str] | None, typer.Option(help="litert, tflite or lce; repeatable.", show_default="litert")
    ] = None,
    num_threads: Annotated[str, typer.Option("--num-threads", "--num_threads", help="One number, or 1,2,4.")] = "1",
    cores: Annotated[str, typer.Option(help="prime, big, little, all, or a hex mask as for taskset.")] = "all",
    runtime_library: Annotated[
        Path | None, typer.Option("--runtime-library", "--runtime_library", help="TFLite's library for the device.")
    ] = None,
    delegate: Annotated[str, typer.Option(help="auto, none, or the path of a library.")] = "auto",
    delegate_option: Annotated[list[str] | None, typer.Option(help="key=value for the delegate; repeatable.")] = None,
    preset: Annotated[str, typer.Option(help="quick, standard or mlperf.")] = "quick",
    num_runs: Annotated[int | None, typer.Option("--num-runs", "--num_runs")] = None,
    min_secs: Annotated[float | None, typer.Option("--min-secs", "--min_secs")] = None,
    max_secs: Annotated[float | None, typer.Option("--max-secs", "--max_secs")] = None,
    warmup_runs: Annotated[int, typer.Option("--warmup-runs", "--warmup_runs", min=0)] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Fresh processes for each row.")] = 3,
    against: Annotated[list[Path] | None, typer.Option(help="A file to compare with; repeatable.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for one process.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 8 when a number must not be quoted.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the JSON report to a file too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how fast files run, with an interval and a verdict beside every number."""
    from repbnn_edge.benching.presets import effort
    from repbnn_edge.benching.running import bench
    from repbnn_edge.devices.cores import check

    check(cores)
    report = bench(
        [*files, *(against or [])],
        devices=device or ["host"],
        runtime_library=runtime_library,
        runtimes=runtime or ["litert"],
        num_threads=_numbers(num_threads),
        delegate=delegate,
        delegate_options=_pairs(delegate_option or []),
        effort=effort(preset, num_runs, min_secs, max_secs),
        warmup_runs=warmup_runs,
        repeats=repeats,
        cores=cores,
        timeout=timeout,
    )
    _show(report, output, as_json=as_json)
    if report.interrupted:
        raise KeyboardInterrupt
    _raise_verdict(report, strict=strict)


def _show(report: BenchReport, output: Path | None, *, as_json: bool) -> None:
    body = report.to_json()
    if output is not None:
        import json

        from repbnn_edge import __version__
        from repbnn_edge.files import write_whole

        whole = {"schema": "repbnn.bench/1", "repbnn_edge": __version__, **body}
        write_whole(output, json.dumps(whole, indent=1).encode())
    if as_json:
        print_json("bench", body)
    else:
        _print(report)


def _raise_verdict(report: BenchReport, *, strict: bool) -> None:
    """The exit code of the first failed row, or of doubt where ``--strict`` asks; the report is printed already."""
    codes = {"timed_out": 7, "device_lost": 6, "runner_failed": 6, "wrong_output": 5}
    for result in report.results:
        for reason in result.verdict.reasons:
            if reason.code in codes:
                raise _reported(codes[reason.code], result, reason.detail)
    doubtful = [result for result in report.results if result.verdict.status == "inconclusive"]
    if strict and doubtful:
        raise _reported(8, doubtful[0], doubtful[0].verdict.reasons[0].detail)


def _reported(code: int, result: BenchResult, detail: str) -> RepbnnError:
    from repbnn_edge.errors import DeadlineError, DeviceError, VerificationError

    kinds = {5: VerificationError, 6: DeviceError, 7: DeadlineError, 8: InconclusiveError}
    error = kinds[code](result.model.path, detail, "see the report")
    error.reported = True  # type: ignore[attr-defined]
    return error


def _print(report: BenchReport) -> None:
    from rich.table import Table

    from repbnn_edge import console

    table = Table()
    for name in ("device", "file", "runtime"):
        table.add_column(name)
    for name in ("threads", "median ms", "95% interval", "p90", "ratio"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for result in report.results:
        table.add_row(*_cells(result))
    console.out().print(table)
    for result in report.results:
        for reason in result.verdict.reasons:
            console.out().print(f"  {Path(result.model.path).name}: {reason.code}: {reason.detail}", markup=False)


def _cells(result: BenchResult) -> list[str]:
    latency = result.latency_ms
    runtime = f"{result.runtime.name} {result.runtime.version}" if result.runtime else "-"
    if result.delegate:
        runtime += f" + repbnn ({result.delegate.implementation})"
    numbers = ["-", "-", "-"]
    if latency:
        low, high = latency.ci95_median
        numbers = [f"{latency.median:.3f}", f"{low:.3f} to {high:.3f}", f"{latency.p90:.3f}"]
    ratio = f"{result.references[0].ratio:.3f}" if result.references else "-"
    verdict = result.verdict.status
    where = str(result.device.get("name", "host"))
    return [where, Path(result.model.path).name, runtime, str(result.config.num_threads), *numbers, ratio, verdict]


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError("--num-threads", f"{text!r} is no list of numbers", "give 1 or 1,2,4") from error
    if min(numbers) < 1 or len(set(numbers)) != len(numbers):
        raise UsageError("--num-threads", f"{text!r} repeats a number or has one below 1", "give 1 or 1,2,4")
    return numbers


def _pairs(options: list[str]) -> dict[str, str]:
    pairs = {}
    for option in options:
        key, separator, value = option.partition("=")
        if not separator or not key:
            raise UsageError("--delegate-option", f"{option!r} is no key=value", "give, for instance, fusion=none")
        pairs[key] = value
    return pairs
