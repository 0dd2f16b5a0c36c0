"""How long a measurement lasts: names for three settings, as TFLite's and MLPerf's tools have them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from repbnn_edge.errors import UsageError


@dataclass(frozen=True)
class Effort:
    """How long each process measures: until both ``num_runs`` and ``min_secs`` are met, or ``max_secs``."""

    num_runs: int
    min_secs: float
    max_secs: float


PRESETS = {
    "quick": Effort(128, 10.0, 60.0),
    "standard": Effort(300, 30.0, 150.0),
    "mlperf": Effort(1024, 60.0, 600.0),
}


def effort(
    preset: str, num_runs: int | None = None, min_secs: float | None = None, max_secs: float | None = None
) -> Effort:
    """A preset with single values replaced.

    Raises:
        UsageError: an unknown preset, or values out of range.
    """
    if preset not in PRESETS:
        raise UsageError("--preset", f"there is no {preset!r}", f"give one of {', '.join(PRESETS)}")
    base = PRESETS[preset]
    least = base.min_secs if min_secs is None else min_secs
    chosen = Effort(
        base.num_runs if num_runs is None else num_runs,
        least,
        max(base.max_secs, least) if max_secs is None else max_secs,
    )
    if chosen.num_runs < 1 or not 0 <= chosen.min_secs < math.inf or not 0 < chosen.max_secs < math.inf:
        raise UsageError("bench", "a number of runs or seconds is not positive", "give positive ones")
    if chosen.max_secs < chosen.min_secs:
        raise UsageError("--max-secs", f"{chosen.max_secs} is less than --min-secs", "give more, or less to --min-secs")
    return chosen
