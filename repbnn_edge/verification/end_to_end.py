"""The file as it is, beside the source as it is: how many bits differ in the end, and how often the class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.runtime.lce import CheckedInterpreter
from repbnn_edge.tflite import lce
from repbnn_edge.tflite.cut import cut
from repbnn_edge.tflite.schema import Model
from repbnn_edge.verification.forcing import Anchor
from repbnn_edge.verification.reference import OUTPUT, Floats


class EndToEnd:
    """Counts flipped bits at all signs, and samples whose class agrees.

    Args:
        model: the file.
        anchors: its signs.
    """

    def __init__(self, model: Model, anchors: Sequence[Anchor]) -> None:
        self._anchors = anchors
        self._tensors = list(dict.fromkeys([anchor.tensor for anchor in anchors] + list(model.outputs)))
        inputs = set(model.inputs)
        self._given_out = [tensor for tensor in self._tensors if tensor not in inputs]
        self._interpreter = CheckedInterpreter(cut(model, range(len(model.operators)), model.inputs, self._given_out))
        self._input, self._output = model.inputs[0], model.outputs[0]
        self._flipped = self._bits = 0
        self._agreeing: list[float] = []

    @property
    def flipped_bit_rate(self) -> float:
        """Bits that differ, of all that signs give."""
        return self._flipped / self._bits if self._bits else 0.0

    @property
    def top1_agreement(self) -> float:
        """The share of outputs with the same class."""
        return float(np.mean(self._agreeing)) if self._agreeing else 1.0

    def see(self, sample: Floats, taps: Mapping[str, Floats]) -> None:
        """Run one sample, (1, H, W, C), whose reference values are ``taps``."""
        got = self._run(sample)
        for anchor in self._anchors:
            values, differ = _compare(anchor, got[anchor.tensor], taps[anchor.layers[0].sign_input])
            self._flipped += int(differ.sum())
            self._bits += values.size
        self._agreeing.append(_agreement(got[self._output], taps[OUTPUT]))

    def first_flips(self, sample: Floats, taps: Mapping[str, Floats]) -> tuple[Floats, float] | None:
        """The source's values under the bits that differ, at the first sign where any does, and the largest there.

        None where no bit of this sample differs. All bits before are equal, so what differs there is float rounding,
        or a fault.
        """
        got = self._run(sample)
        for anchor in self._anchors:
            values, differ = _compare(anchor, got[anchor.tensor], taps[anchor.layers[0].sign_input])
            if differ.any():
                return values[differ], float(np.abs(values).max())
        return None

    def _run(self, sample: Floats) -> dict[int, NDArray[Any]]:
        got = dict(zip(self._given_out, self._interpreter.run([sample]), strict=True))
        got[self._input] = sample
        return got


def _compare(anchor: Anchor, values: NDArray[Any], tap: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The source's values before a sign, and where the file's sign is another."""
    placement = anchor.placements[0]
    source = placement.seen(placement.source(tap))
    negative = values < 0
    if anchor.kind == "bool":
        negative = ~values
    elif anchor.kind == "bits":
        negative = lce.unpack(values, placement.shape[2]) < 0
    return source, placement.from_file(negative)[0] != (source < 0)


def _agreement(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The share of places at which two outputs (..., classes) have the same largest value; of one value, the sign."""
    if ours.size != theirs.size or not theirs.size:
        return 0.0
    ours = ours.reshape(theirs.shape)
    if theirs.shape[-1] == 1:
        return float(((ours < 0) == (theirs < 0)).mean())
    return float((ours.argmax(-1) == theirs.argmax(-1)).mean())
