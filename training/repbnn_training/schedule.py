"""How far a run is: by its epochs, or so that it is done at a given time."""

from __future__ import annotations

import math
import time


class Deadline:
    """Plans the steps that are left so that the learning rate reaches 0 at a given moment, however fast steps come.

    Args:
        finish: of ``time.time()``; runs that go together share one plan, and so one schedule.
    """

    def __init__(self, finish: float) -> None:
        self.finish = finish
        self._last: float | None = None
        self._seconds = 0.0

    def tick(self) -> None:
        """A step of every run is over; the first, which compiles and fills caches, does not count."""
        now = time.time()
        if self._last is not None:
            took = now - self._last
            self._seconds = took if not self._seconds else 0.99 * self._seconds + 0.01 * took
        self._last = now

    @property
    def left(self) -> float:
        """Steps that fit, at the speed of the last hundred or so."""
        return (self.finish - time.time()) / self._seconds if self._seconds else math.inf


def rate(progress: float, step: int, warmup_steps: float) -> float:
    """The learning rate as a share of its peak: linear warm-up, cosine to 0."""
    warmth = min(1.0, (step + 1) / max(warmup_steps, 1))
    return warmth * 0.5 * (1 + math.cos(math.pi * progress))
