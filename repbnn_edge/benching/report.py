"""The report of ``bench``: names are a contract, docs/bench.md explains them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from repbnn_edge.reports import CountPair, Report


class BenchedModel(Report):
    """The file that ran."""

    path: str
    sha256: str
    bytes: int
    macs: CountPair


class BenchedRuntime(Report):
    """What ran it; ``float_kernels`` says whose float and int8 kernels did (whose XNNPACK)."""

    name: str
    version: str
    float_kernels: str | None = None


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
    """Milliseconds over all runs of all processes; None where a foreign runner does not print it."""

    min: float
    median: float | None
    mean: float
    p90: float | None
    p95: float | None
    p99: float | None
    max: float
    std: float
    ci95_median: tuple[float, float] | None


class ReferenceRatio(Report):
    """This row's median over another's: below 1 is faster."""

    name: str
    ratio: float
    ci95: tuple[float, float]


class BaselineRatio(Report):
    """This row's median over that of an earlier report: they did not run in turn, so the interval is wider."""

    path: str
    measured_at: str | None
    ratio: float
    ci95: tuple[float, float]


class OutputCheck(Report):
    """The answer beside another runtime's, for the same seeded inputs; see docs/bench.md for ``difference``."""

    against: str
    difference: float
    same_top1: bool
    inputs: int


class Roofline(Report):
    """What the machine could do at most on the cores that measured: binary MACs and bytes a second."""

    popcount_per_s: float
    bytes_per_s: float


class OpTime(Report):
    """One operator, or one fused step: its first node's ``index``, and all of its ``nodes``.

    ``index`` is None for what the runtime ran and did not tell apart.
    """

    index: int | None
    name: str
    type: str
    mean_ms: float
    share: float
    macs: int
    delegated: bool
    nodes: list[int] = Field(default_factory=list)
    bytes: int = 0
    binary: bool = False


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
    ops: list[OpTime] | None = None
    roofline: Roofline | None = None
    ran_on: list[int] | None = None
    output_check: OutputCheck | None = None
    measured_at: str | None = None
    environment: dict[str, dict[str, Any]]
    references: list[ReferenceRatio]
    baseline: BaselineRatio | None = None
    verdict: Verdict

    @property
    def typical_ms(self) -> float | None:
        """The median, or the mean where a foreign runner prints no median."""
        if self.latency_ms is None:
            return None
        return self.latency_ms.mean if self.latency_ms.median is None else self.latency_ms.median


class BenchSeconds(Report):
    """Where bench's own time went: all of it, and that of the processes that it started."""

    wall: float
    processes: float


class BenchReport(Report):
    """The result of ``bench``."""

    results: list[BenchResult]
    interrupted: bool
    seconds: BenchSeconds | None = None
