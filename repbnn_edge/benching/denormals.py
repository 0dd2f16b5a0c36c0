"""Warns of networks whose maps hold denormals: many processors take a hundred times as long for each.

The delegate never changes how the processor treats them (docs/delegate.md), so such a network is slow everywhere, and a
time that was measured on one input says little of another.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from repbnn_edge import console, settings
from repbnn_edge.benching.rows import Row
from repbnn_edge.benching.subjects import inspected
from repbnn_edge.devices.host import HostDevice
from repbnn_edge.errors import RepbnnError
from repbnn_edge.files import scratch_folder, write_whole
from repbnn_edge.tflite import lce

_SECONDS = 120.0
_VERSION = 1  # of what is kept


def warn_of(rows: Sequence[Row], input_of: Callable[[Path], Path]) -> float:
    """Look at each file with operators of LCE once, on this machine; what was seen is kept in the cache.

    Args:
        rows: what is measured.
        input_of: gives the raw input bytes of a file.

    Returns:
        the seconds that it took.
    """
    began = time.perf_counter()
    for file in dict.fromkeys(row.file for row in rows):
        if not lce.named_in(file.read_bytes()):
            continue
        steps = _kept(file, input_of(file))
        if steps:
            worst = max(steps, key=lambda step: int(step["denormals"]))
            console.warn(
                f"{file.name}: its maps hold denormals, {worst['denormals']:,} behind operator {worst['node']} "
                f"({worst['op']}): many processors take a hundred times as long for each"
            )
    return time.perf_counter() - began


def _kept(file: Path, values: Path) -> list[dict[str, Any]]:
    kept = settings.cache_folder() / "answers" / f"{inspected(file).sha256[:32]}-denormals-{_VERSION}.json"
    with contextlib.suppress(OSError, ValueError):
        known: list[dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8"))
        return known
    with console.step(f"looking at the maps of {file.name}"):
        found = look(file, values)
    if found is not None:
        with contextlib.suppress(OSError, RepbnnError):  # a cache that cannot be written only costs time
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, json.dumps(found).encode())
    return found or []


def look(file: Path, values: Path) -> list[dict[str, Any]] | None:
    """Run a file once, unfused, in a process of its own.

    Args:
        file: a ``.tflite`` file.
        values: raw bytes of its inputs.

    Returns:
        ``node``, ``op``, ``denormals`` of each step of the delegate that writes any; None where it cannot run here.
    """
    with scratch_folder() as folder:
        path = folder / "profile.json"
        request: dict[str, Any] = {
            "file": str(file.resolve()), "runtime": "litert", "num_threads": 1, "delegate": "auto", "cores": [],
            "delegate_options": {"fusion": "none", "profiling": str(path)}, "input": str(values), "check_only": True,
        }  # fmt: skip
        try:
            for _ in HostDevice().run(request, _SECONDS):
                pass
            return _steps(json.loads(path.read_text(encoding="utf-8")))
        except (RepbnnError, OSError, ValueError, KeyError):  # a delegate that was built earlier counts none
            return None


def _steps(profile: dict[str, Any]) -> list[dict[str, Any]]:
    steps = [step for partition in profile["partitions"] for step in partition if step["denormals"] > 0]
    return [{"node": step["nodes"][0], "op": step["step"], "denormals": step["denormals"]} for step in steps]
