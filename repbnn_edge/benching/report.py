"""The report of ``bench``: names are a contract, docs/bench.md explains them."""

from __future__ import annotations

from typing import Any

from repbnn_edge.reports import CountPair, Report


class BenchedModel(Report):
    """The file that ran."""

    path: str
    sha256: str
    bytes: int
    macs: CountPair


class BenchedRuntime(Report):
    """What ran it."""

    name: str
    version: str


class BenchedDelegate(Report):
    """What our delegate took."""

    version: str
    implementation: str
    nodes_total: int
    nodes_delegated: int
    partitions: int
    refused: list[dict[str, Any]]


class Config(Report):
    """How it was measured."""

    num_threads: int
    cpu_mask: str | None
    num_runs: int
    min_secs: float
    max_secs: float
    warmup_runs: int
    repeats: int


class Latency(Report):
    """Milliseconds over all runs of all processes."""

    min: float
    median: float
    mean: float
    p90: float
    p95: float
    p99: float
    max: float
    std: float
    ci95_median: tuple[float, float]


class ReferenceRatio(Report):
    """This row's median over another's: below 1 is faster."""

    name: str
    ratio: float
    ci95: tuple[float, float]


class VerdictReason(Report):
    """One reason, its code of a closed list."""

    code: str
    detail: str


class Verdict(Report):
    """May the number be quoted?"""

    status: str
    reasons: list[VerdictReason]


class BenchResult(Report):
    """One row: a file, on a device, in a runtime, with a number of threads."""

    model: BenchedModel
    runtime: BenchedRuntime | None
    delegate: BenchedDelegate | None
    device: dict[str, Any]
    config: Config
    latency_ms: Latency | None
    samples_ms: list[list[float]]
    runs: int
    init_ms: float | None
    first_ms: float | None
    peak_memory_bytes: int | None
    instructions: int | None = None
    ops: list[dict[str, Any]] | None = None
    environment: dict[str, dict[str, Any]]
    references: list[ReferenceRatio]
    verdict: Verdict


class BenchReport(Report):
    """The result of ``bench``."""

    results: list[BenchResult]
    interrupted: bool
