"""What this machine is, and what state it is in: read from /proc and /sys, never changed."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repbnn_edge.devices import linux

_CPU = Path("/sys/devices/system/cpu")


def facts() -> dict[str, Any]:
    """The machine, in the fields of a bench report; what cannot be read is None."""
    cpuinfo = _read("/proc/cpuinfo") or ""
    info = linux.cpuinfo(cpuinfo)
    abi = f"{sys.platform}-{platform.machine()}"
    return {
        "transport": "host",
        "id_hash": _id_hash(),
        "model": _read("/sys/class/dmi/id/product_name") or _read("/proc/device-tree/model") or platform.node(),
        "soc_model": info.get("model name") or info.get("Hardware") or platform.processor() or None,
        "abi": abi,
        "kernel": platform.release(),
        "page_size_bytes": os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else None,
        "total_ram_bytes": _total_ram(),
        "cpu_features": linux.cpu_features(cpuinfo),
        "cores": [
            {"id": core, "max_khz": linux.number(_core(core, "cpufreq/cpuinfo_max_freq")), "governor": _governor(core)}
            for core in range(os.cpu_count() or 1)
        ],
        "os": linux.os_name(_read("/etc/os-release") or "") or platform.platform(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "emulated": linux.emulated(abi, cpuinfo),
    }


def state(cores: Sequence[int]) -> dict[str, Any]:
    """The state of the cores that measure; see ``verdicts.of_environment`` for the fields."""
    throttles = [linux.number(_core(core, "thermal_throttle/core_throttle_count")) for core in cores]
    counted = [count for count in throttles if count is not None]
    frequencies = [linux.number(_core(core, "cpufreq/scaling_cur_freq")) for core in cores]
    busy, total = linux.ticks(_read("/proc/stat") or "", cores)
    return {
        "thermal_throttle_count": sum(counted) if counted else None,
        "frequency_khz": [f for f in frequencies if f is not None],
        "governors": [governor for core in cores if (governor := _governor(core))],
        "intel_pstate": _read("/sys/devices/system/cpu/intel_pstate/status") == "active",
        "temperature_c": linux.highest_temperature(_zones()),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "busy_ticks": busy,
        "total_ticks": total,
        "ticks_per_second": os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else None,
    }


def usable_cores() -> list[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _id_hash() -> str:
    return linux.hashed(_read("/etc/machine-id") or platform.node())


def _total_ram() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _zones() -> dict[str, str]:
    zones = Path("/sys/class/thermal").glob("thermal_zone*/temp")
    return {str(zone): text for zone in zones if (text := _read(str(zone)))}


def _governor(core: int) -> str | None:
    return _core(core, "cpufreq/scaling_governor")


def _core(core: int, name: str) -> str | None:
    return _read(str(_CPU / f"cpu{core}" / name))


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return None
