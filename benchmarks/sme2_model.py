"""A model, not a measurement: milliseconds of counted SME2 code on cores whose instruction rates are published.

A rate that is published stands as one number, one that is not as the range it may lie in; the result is a range. Its
lower end lets the matrix unit, the loads, the stores and the core's scalar instructions overlap perfectly (the slowest
of them counts), its upper end lets none overlap. NEON overlaps with nothing: it runs when streaming mode has been left.
docs/decisions/sme2.md has the sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Rates:
    """Cycles of one instruction, the least and the most that it may take; loads and stores by the registers moved."""

    name: str
    hertz: float
    unit: Mapping[str, Range]
    """Classes of tools/qemu/opcodes.py that the matrix unit executes."""
    load: Mapping[int, Range]
    store: Mapping[int, Range]
    other: Range
    """Everything else, which the core executes beside the unit."""
    neon: Range
    """Cycles of a NEON instruction at ``neon_hertz``."""
    neon_hertz: float
    """The core's own frequency, for code without streaming mode."""
    published: str


M4 = Rates(
    name="Apple M4",
    hertz=3.9e9,
    unit={
        "bmopa": (2, 2),  # as SMOPA into 32-bit tiles: one in two cycles
        "outer": (2, 2),
        "arithmetic": (4, 4),  # FMLA, MLA, SDOT on z registers: 0.98 G/s
        "multi": (1, 16),  # on ZA's rows published (two vectors 1, four 2), to z registers not
        "za": (1, 4),
        "predicate": (1, 4),
        "mode": (45, 45),  # about 90 for SMSTART and SMSTOP
    },
    load={1: (0.57, 0.86), 2: (0.5, 1.7), 3: (0.75, 2.6), 4: (1, 1)},  # 290 to 440 GB/s singly, 993 by fours
    store={1: (1.2, 1.2), 2: (2.4, 2.4), 3: (3.6, 3.6), 4: (4.8, 4.8)},  # 207 GB/s
    other=(1 / 8, 1 / 3),
    neon=(1 / 4, 1 / 2),  # four pipes
    neon_hertz=4.4e9,
    published="a performance core's rates; ZA moves, predicates and several-vector arithmetic are not published",
)


def _guess(published: Range) -> Range:
    return published[0] / 2, published[1] * 2


C1 = Rates(
    name="Arm C1, assumed",
    hertz=3.5e9,
    unit={name: _guess(cycles) for name, cycles in M4.unit.items()},
    load={vectors: _guess(cycles) for vectors, cycles in M4.load.items()},
    store={vectors: _guess(cycles) for vectors, cycles in M4.store.items()},
    other=(1 / 8, 1 / 3),
    neon=(1 / 6, 1 / 3),  # C1-Ultra: six pipes
    neon_hertz=4.1e9,
    published="no rate is published; the M4's, half to twice",
)

CORES = (M4, C1)


def milliseconds(
    rates: Rates, classes: Mapping[str, float], moved: Mapping[tuple[str, int], float]
) -> dict[str, Range]:
    """Ranges by resource, in milliseconds, and ``all`` of them together.

    ``classes`` and ``moved`` are what execution.by_class and execution.vectors give.
    """
    streaming = {*rates.unit, "load", "store", "neon"}
    cycles: dict[str, Range] = {
        "bmopa": _times(classes.get("bmopa", 0), rates.unit["bmopa"]),
        "rest of the unit": _sum(
            _times(n, rates.unit[name]) for name, n in classes.items() if name in rates.unit and name != "bmopa"
        ),
        "loads": _sum(_times(n, rates.load[by]) for (kind, by), n in moved.items() if kind == "load"),
        "stores": _sum(_times(n, rates.store[by]) for (kind, by), n in moved.items() if kind == "store"),
        "scalar": _sum(_times(n, rates.other) for name, n in classes.items() if name not in streaming),
        "neon": _times(classes.get("neon", 0) * rates.hertz / rates.neon_hertz, rates.neon),
    }
    unit = cycles["bmopa"][0] + cycles["rest of the unit"][0]
    least = max(unit, *(cycles[name][0] for name in ("loads", "stores", "scalar"))) + cycles["neon"][0]
    cycles["all"] = least, sum(most for _, most in cycles.values())
    return {name: (low / rates.hertz * 1e3, high / rates.hertz * 1e3) for name, (low, high) in cycles.items()}


def neon_milliseconds(rates: Rates, instructions: float) -> float:
    """The least that so many NEON instructions take, every pipe busy in every cycle."""
    return instructions * rates.neon[0] / rates.neon_hertz * 1e3


def _times(count: float, cycles: Range) -> Range:
    return count * cycles[0], count * cycles[1]


def _sum(parts: Iterable[Range]) -> Range:
    low = high = 0.0
    for part in parts:
        low, high = low + part[0], high + part[1]
    return low, high
