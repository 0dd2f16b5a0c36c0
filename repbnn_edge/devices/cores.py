"""Which cores measure: groups by maximum frequency, never by number, or a mask as taskset has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from repbnn_edge.errors import UsageError

GROUPS = ("prime", "big", "little", "all")


def check(spec: str) -> None:
    """Raise UsageError unless ``spec`` is a group or a mask that names a core."""
    if spec not in GROUPS:
        _cores_of(spec)


def choose(spec: str, cores: Sequence[Mapping[str, Any]], usable: Sequence[int], device: str) -> list[int]:
    """The numbers of the cores to pin to; empty for ``all``, which leaves the choice to the kernel.

    ``prime`` is the group with the highest maximum frequency, ``little`` that with the lowest, ``big`` those between,
    or the highest where there are two. Where all cores are alike, or frequencies cannot be read, each is every core.

    Args:
        spec: one of ``GROUPS`` or a hex mask.
        cores: ``{"id", "max_khz"}`` of each core of the device.
        usable: those that a process may run on.
        device: what messages call it.

    Raises:
        UsageError: the mask names a core that is not there, or that may not be used.
    """
    if spec == "all":
        return []
    if spec not in GROUPS:
        chosen = _cores_of(spec)
        missing = sorted(set(chosen) - set(usable))
        if missing:
            raise UsageError(
                "--cores", f"core {missing[0]} of {device} may not be used", f"give a part of {mask(usable)}"
            )
        return chosen
    speeds = {core["id"]: core["max_khz"] for core in cores if core["id"] in set(usable)}
    if not speeds or None in speeds.values():
        return []
    groups = sorted(set(speeds.values()))
    wanted = {
        "prime": groups[-1:],
        "little": groups[:1],
        "big": groups[1:-1] or groups[-1:],
    }[spec]
    return sorted(core for core, speed in speeds.items() if speed in wanted)


def mask(cores: Iterable[int]) -> str:
    """Cores as a hex mask, which taskset and our runner read."""
    return f"{sum(1 << core for core in cores):x}"


def _cores_of(text: str) -> list[int]:
    try:
        bits = int(text, 16)
    except ValueError as error:
        choices = ", ".join(GROUPS)
        raise UsageError("--cores", f"{text!r} is neither a hex mask nor one of {choices}", "give, say, f0") from error
    if bits < 1 or bits.bit_length() > 1024:
        raise UsageError("--cores", "the mask names no core", "give, for instance, f0")
    return [core for core in range(bits.bit_length()) if bits >> core & 1]
