"""May a number be quoted? Each reason against it is a pure function of what was recorded; thresholds in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.report import OutputCheck
from repbnn_edge.benching.statistics import Samples, Summary, summarise, typical
from repbnn_edge.benching.statistics import of_summaries as of_processes

INCONCLUSIVE = (
    "throttled", "frequency_drift", "trend", "repeats_disagree", "wide_interval", "heavy_tail", "too_few_runs",
    "time_limit", "power_save", "busy_cpu", "affinity_refused", "not_delegated", "timer_resolution", "old_data",
    "emulated",
)  # fmt: skip
FAILED = ("wrong_output", "runner_failed", "device_lost", "timed_out")

THRESHOLDS = {
    "trend": 0.05,  # last quarter of a process against its first
    "repeats_disagree": 0.05,  # slowest process median against the fastest
    "wide_interval": 0.05,  # width of the 95% interval of the median against the median
    "heavy_tail": 2.0,  # p95 against the median
    "too_few_runs": 20,  # runs of all processes
    "frequency_drift": 0.05,  # a core's frequency before and after
    "busy_cpu": 0.10,  # other processes' share of the cores that measured
    "timer_resolution": 0.01,  # a tick of the clock against the median
    "wrong_output": 0.25,  # distance to the other runtime's answer against that answer's spread
}


@dataclass(frozen=True)
class Reason:
    """One reason: its code of the closed list, and what was seen."""

    code: str
    detail: str


def of_samples(samples: Samples, effort: Effort, timer_ms: float, known: Summary | None = None) -> list[Reason]:
    """What the samples alone say against the number.

    Args:
        samples: milliseconds, one array a process, none empty.
        effort: what was asked for.
        timer_ms: the clock's resolution.
        known: what ``summarise`` said of them, where somebody has asked.
    """
    summary = known or summarise(samples)
    runs = sum(map(len, samples))
    reasons = []
    if runs < THRESHOLDS["too_few_runs"]:
        reasons.append(Reason("too_few_runs", f"{runs} runs in all"))
    if any(len(process) < effort.num_runs for process in samples):
        fewest = min(map(len, samples))
        reasons.append(Reason("time_limit", f"{fewest} of {effort.num_runs} runs in {effort.max_secs:g} s"))
    low, high = summary.ci95_median
    if high - low > THRESHOLDS["wide_interval"] * summary.median:
        reasons.append(Reason("wide_interval", f"the median lies between {low:.4g} and {high:.4g} ms"))
    if summary.p95 > THRESHOLDS["heavy_tail"] * summary.median:
        reasons.append(Reason("heavy_tail", f"p95 is {summary.p95 / summary.median:.2f} times the median"))
    if timer_ms > THRESHOLDS["timer_resolution"] * summary.median:
        reasons.append(Reason("timer_resolution", f"the clock ticks every {timer_ms * 1e3:.3g} us"))
    return reasons + _disagreement(samples) + _trend(samples)


def of_summaries(summaries: Sequence[Mapping[str, Any]], effort: Effort) -> list[Reason]:
    """As ``of_samples``, of processes that tell no single runs: what can be told without them."""
    latency = of_processes(summaries)
    typicals = [typical(summary) for summary in summaries]
    middle = float(np.median(typicals))
    counts = [int(summary["count"]) for summary in summaries]
    reasons = []
    if sum(counts) < THRESHOLDS["too_few_runs"]:
        reasons.append(Reason("too_few_runs", f"{sum(counts)} runs in all"))
    if min(counts) < effort.num_runs:
        reasons.append(Reason("time_limit", f"{min(counts)} of {effort.num_runs} runs in {effort.max_secs:g} s"))
    interval = latency["ci95_median"]
    if interval is None:
        reasons.append(Reason("wide_interval", "one process that tells no single runs has no interval"))
    elif interval[1] - interval[0] > THRESHOLDS["wide_interval"] * middle:
        reasons.append(Reason("wide_interval", f"it lies between {interval[0]:.4g} and {interval[1]:.4g} ms"))
    if latency["p95"] is not None and latency["p95"] > THRESHOLDS["heavy_tail"] * middle:
        reasons.append(Reason("heavy_tail", f"p95 is {latency['p95'] / middle:.2f} times the median"))
    return reasons + _gap(typicals)


def _disagreement(samples: Samples) -> list[Reason]:
    return _gap([float(np.median(process)) for process in samples])


def _gap(medians: Sequence[float]) -> list[Reason]:
    if max(medians) <= (1 + THRESHOLDS["repeats_disagree"]) * min(medians):
        return []
    return [Reason("repeats_disagree", f"processes' medians from {min(medians):.4g} to {max(medians):.4g} ms")]


def _trend(samples: Samples) -> list[Reason]:
    """The same direction in most processes: a machine that heats up, not one process with a bad end."""
    changes = []
    for process in samples:
        quarter = len(process) // 4
        if quarter >= 5:
            changes.append(float(np.median(process[-quarter:]) / np.median(process[:quarter])) - 1)
    if not changes:
        return []
    typical = float(np.median(changes))
    if abs(typical) <= THRESHOLDS["trend"]:
        return []
    return [Reason("trend", f"the last quarter is {typical:+.1%} against the first")]


def of_environment(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Reason]:
    """What the machine's state before and after says against the number; a fact that is None was not to be had.

    Keys: ``thermal_throttle_count``; ``thermal_status`` (Android: 0 none .. 6); ``frequency_khz`` and ``governors``
    (lists, of the cores that measured); ``low_power_mode``; ``under_voltage``; ``intel_pstate`` (whose powersave is not
    slow); ``other_cpu_share`` (after: over the measurement).
    """
    reasons = []
    then, now = before.get("thermal_throttle_count"), after.get("thermal_throttle_count")
    if then is not None and now is not None and now > then:
        reasons.append(Reason("throttled", f"{now - then} thermal throttling events"))
    status = max((state.get("thermal_status") or 0 for state in (before, after)), default=0)
    if status > 0:
        reasons.append(Reason("throttled", f"thermal status {status}"))
    if before.get("under_voltage") or after.get("under_voltage"):
        reasons.append(Reason("throttled", "under-voltage"))
    reasons += _frequency(before, after)
    if any(governor == "powersave" for governor in before.get("governors") or ()) and not before.get("intel_pstate"):
        reasons.append(Reason("power_save", "the governor is powersave"))
    if before.get("low_power_mode") or after.get("low_power_mode"):
        reasons.append(Reason("power_save", "low power mode is on"))
    share = after.get("other_cpu_share")
    if share is not None and share > THRESHOLDS["busy_cpu"]:
        reasons.append(Reason("busy_cpu", f"other processes took {share:.0%} of the cores"))
    return reasons


def of_output(check: OutputCheck) -> list[Reason]:
    """Whether an answer is another one than the other runtime's.

    Stems differ in their last bits between runtimes and processors, and one flipped sign moves an untrained network's
    answer by several percent of its spread; a broken kernel's answer is as far off as a random one, 1 and more.
    """
    if check.difference <= THRESHOLDS["wrong_output"]:
        return []
    return [Reason("wrong_output", f"it differs from {check.against} by {check.difference:.2g} of the answer's spread")]


def of_delegate(refused: Sequence[Mapping[str, Any]]) -> list[Reason]:
    """Operators of LCE that the delegate left to a runtime that does not know them; the first three are named."""
    left = [node for node in refused if str(node["op"]).startswith("Lce")]
    return [Reason("not_delegated", f"operator {n['node']} {n['op']}: {n['reason']}") for n in left[:3]]


def _frequency(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Reason]:
    pairs = list(zip(before.get("frequency_khz") or (), after.get("frequency_khz") or (), strict=False))
    drops = [1 - now / then for then, now in pairs if then]
    if not drops or max(drops) <= THRESHOLDS["frequency_drift"]:
        return []
    return [Reason("frequency_drift", f"a core ran {max(drops):.0%} slower at the end")]


def status(reasons: Sequence[Reason]) -> str:
    """``failed``, ``inconclusive`` or ``conclusive``."""
    if any(reason.code in FAILED for reason in reasons):
        return "failed"
    return "inconclusive" if reasons else "conclusive"
