"""``repbnn-edge bench``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repbnn_edge.cli import devices_command
from repbnn_edge.cli.output import print_json
from repbnn_edge.errors import InconclusiveError, RepbnnError, UsageError

if TYPE_CHECKING:
    from repbnn_edge.benching.report import BenchReport, BenchResult

EPILOG = "Example: repbnn-edge bench network.tflite --device host --device pixel --against mobilenet-v2-int8"


def _names(incomplete: str) -> list[str]:
    """Built-in networks, for a shell's completion."""
    from repbnn_edge.benching.subjects import ALTERNATIVES
    from repbnn_edge.models.catalog import CATALOG

    return [name for name in (*CATALOG, *ALTERNATIVES) if name.startswith(incomplete)]


def command(
    files: Annotated[
        list[str] | None,
        typer.Argument(help=".tflite files or built-in names, measured in turn.", autocompletion=_names),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="host, pixel, a serial, user@host, a name of your own; repeatable.",
            show_default="host",
            autocompletion=devices_command.complete,
        ),
    ] = None,
    runtime: Annotated[
        list[str] | None,
        typer.Option(help="litert, litert-compiled, tflite or lce; repeatable.", show_default="litert"),
    ] = None,
    num_threads: Annotated[str, typer.Option("--num-threads", "--num_threads", help="One number, or 1,2,4.")] = "1",
    cores: Annotated[str, typer.Option(help="prime, big, little, all, or a hex mask as for taskset.")] = "all",
    runtime_library: Annotated[
        Path | None, typer.Option("--runtime-library", "--runtime_library", help="TFLite's library for the device.")
    ] = None,
    runner: Annotated[Path | None, typer.Option(help="A benchmark_model or lce_benchmark_model to use.")] = None,
    delegate: Annotated[str, typer.Option(help="auto, none, or the path of a library.")] = "auto",
    delegate_option: Annotated[
        list[str] | None,
        typer.Option("--delegate-option", "--delegate_option", help="key=value for the delegate; repeatable."),
    ] = None,
    preset: Annotated[str, typer.Option(help="quick, standard or mlperf.")] = "quick",
    num_runs: Annotated[int | None, typer.Option("--num-runs", "--num_runs", help="Least runs of a process.")] = None,
    min_secs: Annotated[float | None, typer.Option("--min-secs", "--min_secs", help="Least seconds.")] = None,
    max_secs: Annotated[float | None, typer.Option("--max-secs", "--max_secs", help="Most seconds.")] = None,
    warmup_runs: Annotated[int, typer.Option("--warmup-runs", "--warmup_runs", min=0, help="Least warm-up runs.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Fresh processes for each row.")] = 3,
    cooldown: Annotated[float, typer.Option(min=0, help="Seconds of rest between two processes.")] = 0.0,
    against: Annotated[
        list[str] | None,
        typer.Option(help="A file or name to compare with, mobilenet-v2-int8 too; repeatable.", autocompletion=_names),
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="An earlier --output, to compare with.")] = None,
    fail_if_slower: Annotated[
        str | None,
        typer.Option("--fail-if-slower", "--fail_if_slower", help="Exit 5 if surely slower by more, say 5%."),
    ] = None,
    imported: Annotated[
        list[Path] | None, typer.Option("--import", help="Results of the Android app; repeatable.")
    ] = None,
    enable_op_profiling: Annotated[
        bool, typer.Option("--enable-op-profiling", "--enable_op_profiling", help="Time single operators too.")
    ] = False,
    report_peak_memory: Annotated[
        bool, typer.Option("--report-peak-memory", "--report_peak_memory", help="Show peak memory in the table.")
    ] = False,
    check_outputs: Annotated[
        bool,
        typer.Option("--check-outputs/--no-check-outputs", help="Compare answers with another runtime's first."),
    ] = True,
    timeout: Annotated[float | None, typer.Option(help="Seconds for one process.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 8 when a number must not be quoted.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the JSON report to a file too.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a table for spreadsheets.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with charts (.html); times operators too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how fast files run, with an interval and a verdict beside every number."""
    outputs = _Outputs(output, csv, report)
    gate = _gate(baseline, fail_if_slower, against or [])
    outputs.check()
    measured = _imported(imported or [])
    if files or not measured:
        from repbnn_edge.benching.presets import effort
        from repbnn_edge.benching.running import bench

        if not files:
            raise UsageError("bench", "there is nothing to measure", "name a .tflite file, or see `repbnn-edge models`")
        here = _interruptible(
            bench,
            files,
            against=against or [],
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
            cooldown=cooldown,
            op_profiling=enable_op_profiling or report is not None,
            runner=runner,
            check_outputs=check_outputs,
        )
        measured = here.model_copy(update={"results": [*here.results, *(measured.results if measured else [])]})
    assert measured is not None
    measured = gate.applied(measured)
    if as_json and measured.results:
        outputs.write(measured)
    if as_json:
        print_json("bench", measured.to_json())
    elif measured.results:
        from repbnn_edge.cli.bench_table import show

        show(measured, memory=report_peak_memory)
        outputs.write(measured)  # behind the table, which a disk that is full by now shall not cost
    if measured.interrupted:
        raise KeyboardInterrupt
    _raise_verdict(measured, gate, strict=strict)


@dataclass(frozen=True)
class _Gate:
    """What makes a build fail."""

    baseline: Path | None
    allowed: float | None

    def applied(self, report: BenchReport) -> BenchReport:
        from repbnn_edge.benching import baseline

        return report if self.baseline is None else baseline.applied(report, self.baseline)

    def slower(self, report: BenchReport) -> list[tuple[BenchResult, float]]:
        from repbnn_edge.benching import baseline

        if self.allowed is None:
            return []
        return baseline.slower(report, self.allowed, than_baseline=self.baseline is not None)


def _gate(path: Path | None, share: str | None, against: list[str]) -> _Gate:
    """Checked before anything runs: an old report that cannot be read must not cost ten minutes."""
    from repbnn_edge.benching import baseline
    from repbnn_edge.benching.reportfile import read_report

    allowed = None if share is None else baseline.allowed_slowdown(share)
    if allowed is not None and path is None and not against:
        raise UsageError("--fail-if-slower", "there is nothing to be slower than", "give --baseline or --against")
    if path is not None:
        read_report(path)
    return _Gate(path, allowed)


@dataclass(frozen=True)
class _Outputs:
    """The files to write."""

    json: Path | None
    csv: Path | None
    page: Path | None

    def check(self) -> None:
        """Before anything runs: a folder that is not there must not cost ten minutes."""
        from repbnn_edge.files import check_output

        paths = [path for path in (self.json, self.csv, self.page) if path is not None]
        for path in paths:
            check_output(path)
            if paths.count(path) > 1 and (path.is_file() or not path.exists()):
                raise UsageError(str(path), "two reports would be written there", "give each a file of its own")

    def write(self, report: BenchReport) -> None:
        import json

        from repbnn_edge import __version__
        from repbnn_edge.files import write_whole

        if self.json is not None:
            whole = {"schema": "repbnn.bench/1", "repbnn_edge": __version__, **report.to_json()}
            write_whole(self.json, json.dumps(whole).encode())  # indented, a million runs would take seconds
        if self.csv is not None:
            from repbnn_edge.benching.csvfile import to_csv

            write_whole(self.csv, to_csv(report).encode())
        if self.page is not None:
            from repbnn_edge.benching.page import render

            write_whole(self.page, render(report).encode())


def _interruptible(bench: Callable[..., BenchReport], *words: Any, **options: Any) -> BenchReport:
    """What was finished when Ctrl-C came; before the first process starts that is nothing."""
    from repbnn_edge.benching.report import BenchReport

    try:
        return bench(*words, **options)
    except KeyboardInterrupt:
        return BenchReport(results=[], interrupted=True)


def _imported(paths: list[Path]) -> BenchReport | None:
    from repbnn_edge.benching import imported

    reports = [imported.read(path) for path in paths]
    if not reports:
        return None
    return reports[0].model_copy(update={"results": [row for report in reports for row in report.results]})


def _raise_verdict(report: BenchReport, gate: _Gate, *, strict: bool) -> None:
    """The exit code of the first failed row, of a slower one, or of doubt where ``--strict`` asks; all is printed."""
    codes = {"timed_out": 7, "device_lost": 6, "runner_failed": 6, "wrong_output": 5}
    for result in report.results:
        for reason in result.verdict.reasons:
            if reason.code in codes:
                raise _reported(codes[reason.code], result, reason.detail)
    slower = gate.slower(report)
    if slower:
        raise _reported(5, slower[0][0], f"it takes {slower[0][1]:.3f} times as long, more than was allowed")
    doubtful = [result for result in report.results if result.verdict.status == "inconclusive"]
    if strict and doubtful:
        raise _reported(8, doubtful[0], doubtful[0].verdict.reasons[0].detail)


def _reported(code: int, result: BenchResult, detail: str) -> RepbnnError:
    from repbnn_edge.errors import DeadlineError, DeviceError, VerificationError

    kinds = {5: VerificationError, 6: DeviceError, 7: DeadlineError, 8: InconclusiveError}
    error = kinds[code](result.model.path, detail, "see the report")
    error.reported = True  # type: ignore[attr-defined]
    return error


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
