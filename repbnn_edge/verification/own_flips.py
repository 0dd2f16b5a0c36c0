"""How far a source's own framework departs from itself once it optimises: the yardstick for a file's flips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from repbnn_edge.verification.reference import OUTPUT, Floats, Reference


class OwnFlips:
    """Compares a reference's taps with those of its own optimised run, where it has one (``run_optimised``).

    Args:
        reference: the source, as it gave the taps.
    """

    def __init__(self, reference: Reference) -> None:
        self._optimised = getattr(reference, "run_optimised", None)
        self._taps = {layer.sign_input for layer in reference.binary_layers}
        self._flipped = self._bits = self._agreeing = self._outputs = 0

    def see(self, plain: Mapping[str, NDArray[Any]], samples: Floats) -> None:
        """Run the same samples, (N, H, W, C), optimised."""
        if self._optimised is None:
            return
        fused = self._optimised(samples)
        self._flipped += sum(int(((plain[tap] < 0) != (fused[tap] < 0)).sum()) for tap in self._taps)
        self._bits += sum(plain[tap].size for tap in self._taps)
        agree = plain[OUTPUT].argmax(-1) == fused[OUTPUT].argmax(-1)
        self._agreeing += int(agree.sum())
        self._outputs += agree.size

    @property
    def notes(self) -> dict[str, float]:
        """For the report; empty where the reference has no optimised run."""
        if not self._outputs:
            return {}
        return {
            "source_optimised_flipped_bit_rate": self._flipped / max(self._bits, 1),
            "source_optimised_top1_agreement": self._agreeing / self._outputs,
        }
