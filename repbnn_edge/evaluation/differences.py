"""Why a file answers otherwise than its source on some pictures: the first bit that differs says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np

from repbnn_edge.reports import EvalDifference
from repbnn_edge.tflite import lce, schema
from repbnn_edge.verification.end_to_end import EndToEnd
from repbnn_edge.verification.forcing import find_anchors
from repbnn_edge.verification.matching import match
from repbnn_edge.verification.reference import Floats, Reference

Cause = Literal["tie", "rounding", "output", "unexplained"]
_ROUNDING = 1e-4
"""Of the largest value before a sign: what float32 sums of a few thousand terms, in another order, can differ by."""


class Causes:
    """Runs single pictures through source and file, and compares the bits at every sign.

    The file's bits are taken from LCE's interpreter, whichever runtime gave the answer.

    Args:
        reference: the source.
        content: the file.
    """

    def __init__(self, reference: Reference, content: bytes) -> None:
        self._reference, self._content = reference, content
        self._known: dict[int, Cause] = {}

    @cached_property
    def _ends(self) -> EndToEnd:
        model = schema.load(self._content)
        operators = [lce.read_bconv2d(model, operator) for operator in model.operators if operator.op == lce.BCONV]
        matches, _ = match(model, operators, self._reference.binary_layers)
        blank = np.zeros((1, *self._reference.input_shape), np.float32)
        shapes = {name: values.shape for name, values in self._reference.run(blank).items()}
        anchors, _ = find_anchors(model, matches, shapes)
        return EndToEnd(model, anchors)

    def of(self, index: int, picture: Floats) -> Cause:
        """The cause for the picture of this number, (H, W, C)."""
        if index not in self._known:
            self._known[index] = self._look(picture[None])
        return self._known[index]

    def _look(self, sample: Floats) -> Cause:
        flips = self._ends.first_flips(sample, self._reference.run(sample))
        if flips is None:
            return "output"
        values, largest = flips
        if (values == 0).any():
            return "tie"
        return "rounding" if np.abs(values).max() <= _ROUNDING * largest else "unexplained"


def count(runtime: str, indices: Sequence[int], picture: Callable[[int], Floats], causes: Causes) -> EvalDifference:
    """Count the pictures on which a runtime and the source give another top-1."""
    counts = Counter(causes.of(index, picture(index)) for index in indices)
    return EvalDifference(
        runtime=runtime,
        pictures=len(indices),
        tie=counts["tie"],
        rounding=counts["rounding"],
        output=counts["output"],
        unexplained=counts["unexplained"],
    )
