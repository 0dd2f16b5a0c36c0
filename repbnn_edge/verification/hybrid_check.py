"""Judges layers with int8 weights that quantise their input as they run, each against its own weights in float32."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.runtime.lce import LceInterpreter
from repbnn_edge.tflite.cut import cut
from repbnn_edge.tflite.schema import Model
from repbnn_edge.verification.float_weights import Shrunk

TOLERANCE = 2e-2


class HybridCheck:
    """One such layer, cut out of the file and fed with what the file with float32 weights feeds it.

    Args:
        model: the file.
        shrunk: the layer.
        names: the source's layer, by operator.
    """

    def __init__(self, model: Model, shrunk: Shrunk, names: Mapping[int, str]) -> None:
        operator = shrunk.operator
        self._model, self._operator = model, operator
        self.name = names.get(operator.index, f"operator {operator.index} ({operator.op})")
        self.tensors = (operator.inputs[0], operator.outputs[0])
        self.elements = 0
        self._difference = self._magnitude = 0.0

    @property
    def error(self) -> float:
        """The largest difference, relative to the largest value."""
        return self._difference / max(self._magnitude, sys.float_info.min) if self._difference else 0.0

    @property
    def passed(self) -> bool:
        """Whether it is within what int8 inputs cost."""
        return self.error <= TOLERANCE

    @property
    def fault(self) -> str:
        """What is wrong, as a clause."""
        return f"the values differ by {self.error:.2g} of the largest, more than {TOLERANCE:g}"

    def see(self, got: Mapping[int, NDArray[Any]]) -> None:
        """Run the layer on its input of one sample and compare with its float32 twin's output."""
        source, target = self.tensors
        ours = self._interpreter.run([got[source]])[0].astype(np.float64)
        self.elements += ours.size
        self._difference = max(self._difference, float(np.abs(ours - got[target]).max(initial=0.0)))
        self._magnitude = max(self._magnitude, float(np.abs(got[target]).max(initial=0.0)))

    @cached_property
    def _interpreter(self) -> LceInterpreter:
        return LceInterpreter(cut(self._model, [self._operator.index], self.tensors[:1], self.tensors[1:]))
