"""The report as a table for spreadsheets: one row a result, one column a number, units in the names."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from repbnn_edge.benching.report import BenchReport, BenchResult

COLUMNS = (
    "file", "sha256", "bytes", "binary_macs", "float_macs", "device", "soc", "abi", "transport", "runtime",
    "runtime_version", "delegate", "threads", "cores", "processes", "runs", "median_ms", "median_low_ms",
    "median_high_ms", "mean_ms", "min_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms", "std_ms", "init_ms", "first_ms",
    "peak_memory_bytes", "reference", "ratio", "ratio_low", "ratio_high", "verdict", "reasons", "measured_at",
)  # fmt: skip


def to_csv(report: BenchReport) -> str:
    """The whole file, a header first; what was not measured is an empty cell.

    A cell never starts with ``=``, ``+``, ``-`` or ``@``: a file name must not become a formula in a spreadsheet.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for result in report.results:
        values = _values(result)
        writer.writerow([_cell(values[name]) for name in COLUMNS])
    return stream.getvalue()


def _values(result: BenchResult) -> dict[str, object]:
    latency = result.latency_ms
    low, high = (latency and latency.ci95_median) or (None, None)
    reference = result.references[0] if result.references else None
    names = ("median", "mean", "min", "p90", "p95", "p99", "max")
    numbers = {f"{name}_ms": getattr(latency, name, None) for name in names}
    delegate = result.delegate
    return {
        **numbers,
        "file": Path(result.model.path).name,
        "sha256": result.model.sha256,
        "bytes": result.model.bytes,
        "binary_macs": result.model.macs.binary,
        "float_macs": result.model.macs.float,
        "device": result.device.get("model"),
        "soc": result.device.get("soc_model"),
        "abi": result.device.get("abi"),
        "transport": result.device.get("transport"),
        "runtime": result.runtime.name if result.runtime else None,
        "runtime_version": result.runtime.version if result.runtime else None,
        "delegate": f"repbnn {delegate.version} {delegate.implementation}" if delegate else None,
        "threads": result.config.num_threads,
        "cores": result.config.cpu_mask,
        "processes": len(result.samples_ms),
        "runs": result.runs,
        "median_low_ms": low,
        "median_high_ms": high,
        "std_ms": latency.std if latency else None,
        "init_ms": result.init_ms,
        "first_ms": result.first_ms,
        "peak_memory_bytes": result.peak_memory_bytes,
        "reference": reference.name if reference else None,
        "ratio": reference.ratio if reference else None,
        "ratio_low": reference.ci95[0] if reference else None,
        "ratio_high": reference.ci95[1] if reference else None,
        "verdict": result.verdict.status,
        "reasons": " ".join(reason.code for reason in result.verdict.reasons),
        "measured_at": result.measured_at,
    }


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
