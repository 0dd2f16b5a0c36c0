"""What was recorded beside the numbers: the devices, their state before and after, and what ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repbnn_edge.benching.report import BenchResult

_DEVICE = {
    "model": "model", "soc_model": "processor", "abi": "ABI", "kernel": "kernel", "os": "OS build",
    "libc": "C library", "runner": "runner", "emulated": "emulated",
    "page_size_bytes": "page size", "total_ram_bytes": "memory", "transport": "reached by", "id_hash": "hashed serial",
}  # fmt: skip

_STATE = {
    "governors": "governors", "frequency_khz": "frequencies (kHz)", "temperature_c": "temperature (C)",
    "thermal_status": "thermal status", "thermal_throttle_count": "throttling events", "under_voltage": "under-voltage",
    "battery": "battery", "charging": "charging", "screen": "screen", "low_power_mode": "low power mode",
    "load": "load", "other_cpu_share": "taken by others",
}  # fmt: skip


def facts(numbered: Sequence[tuple[int, BenchResult]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of name and value: one a device, one a row."""
    groups = []
    seen: list[Mapping[str, Any]] = []
    for _, result in numbered:
        if result.device not in seen:
            seen.append(result.device)
            groups.append((f"Device: {result.device.get('model') or 'unknown'}", _device(result.device)))
    return groups + [(f"Row {number}: {Path(result.model.path).name}", _row(result)) for number, result in numbered]


def _device(device: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(name, _size(key, device[key])) for key, name in _DEVICE.items() if device.get(key) not in (None, "")]
    cores = device.get("cores") or []
    if cores:
        found.append(("cores", ", ".join(_core(core) for core in cores)))
    return found


def _core(core: Mapping[str, Any]) -> str:
    speed = f" {core['max_khz'] / 1e6:.2f} GHz" if core.get("max_khz") else ""
    return f"{core.get('id')}:{speed or ' maximum not told'}{' ' + core['governor'] if core.get('governor') else ''}"


def _row(result: BenchResult) -> list[tuple[str, str]]:
    config = result.config
    found = [("file", f"{result.model.path} ({result.model.bytes:,} bytes)"), ("sha256", result.model.sha256)]
    if result.runtime:
        kernels = result.runtime.float_kernels
        found.append(("runtime", f"{result.runtime.name} {result.runtime.version}{f'; {kernels}' if kernels else ''}"))
    if result.delegate:
        d = result.delegate
        taken = f"{d.nodes_delegated} of {d.nodes_total} operators in {d.partitions} partitions"
        found.append(("delegate", f"repbnn {d.version} ({d.implementation}): {taken}"))
    limits = f"{config.num_runs} runs and {config.min_secs:g} s, at most {config.max_secs:g} s"
    found.append(("effort", f"{config.repeats} processes, each {limits}"))
    found.append(("asked for cores", config.cpu_mask or "left to the kernel"))
    if result.ran_on:
        found.append(("ran on cores", ", ".join(map(str, result.ran_on))))
    if result.output_check:
        check = result.output_check
        found.append(("output beside", f"{check.against}: differs by {check.difference:.1e} of its spread"))
    for reference in result.references:
        low, high = reference.ci95
        found.append((f"against {reference.name}", f"{reference.ratio:.3f} ({low:.3f} to {high:.3f})"))
    if result.baseline:
        low, high = result.baseline.ci95
        when = f" of {result.baseline.measured_at}" if result.baseline.measured_at else ""
        found.append(
            (f"against {result.baseline.path}{when}", f"{result.baseline.ratio:.3f} ({low:.3f} to {high:.3f})")
        )
    if result.instructions is not None:
        found.append(("instructions of a run", f"{result.instructions:,}"))
    for key, name in _STATE.items():
        before, after = (result.environment.get(when, {}).get(key) for when in ("before", "after"))
        if before not in (None, []) or after not in (None, []):
            found.append((name, _text(after) if before in (None, []) else f"{_text(before)} → {_text(after)}"))
    if result.measured_at:
        found.append(("measured at", result.measured_at))
    return found


def _size(key: str, value: Any) -> str:
    return f"{value / 2**30:.1f} GiB" if key == "total_ram_bytes" else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(_text(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
