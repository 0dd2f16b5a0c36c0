"""The forced file once more, in stock LiteRT with our delegate: what LCE's interpreter is not needed for.

Every binary convolution reads what it read in LCE, so its answer must be LCE's in every bit; the float operators
between them are the delegate's or XNNPACK's, whose last bits may differ.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import UnsupportedError
from repbnn_edge.reports import SecondRuntimeCheck
from repbnn_edge.runtime.delegate import find_library
from repbnn_edge.runtime.sessions import DelegateFacts, read_facts
from repbnn_edge.tflite import lce
from repbnn_edge.verification.float_check import FLOAT32_TOLERANCE
from repbnn_edge.verification.forcing import ForcedFile


class SecondRuntime:
    """Runs what LCE's interpreter ran, and compares.

    Args:
        file: the forced file.
        names: the source's layer of each binary convolution, by the operator's index.
    """

    def __init__(self, file: ForcedFile, names: Mapping[int, str]) -> None:
        self._file, self._names = file, names
        self._producers = {tensor: file.model.operators[index] for tensor, index in file.model.producers.items()}
        self._wrong: dict[int, int] = {}
        self._difference = 0.0
        self._fault = ""
        self._facts: DelegateFacts | None = None
        self._interpreter: Any = None
        if is_there():
            self._open()

    def see(self, inputs: Sequence[NDArray[Any]], expected: Mapping[int, NDArray[Any]]) -> None:
        """Run on the inputs of one run of LCE's interpreter, whose outputs by tensor are ``expected``."""
        if self._interpreter is None:
            return
        for detail, value in zip(self._interpreter.get_input_details(), inputs, strict=True):
            self._interpreter.set_tensor(detail["index"], value)
        self._interpreter.invoke()
        for detail, tensor in zip(self._interpreter.get_output_details(), self._file.outputs, strict=True):
            self._compare(tensor, self._interpreter.get_tensor(detail["index"]), expected[tensor])

    @property
    def problems(self) -> list[str]:
        """A sentence for each thing that differs."""
        found = []
        for tensor, count in self._wrong.items():
            index = self._producers[tensor].index
            found.append(
                f"{self._names.get(index, 'a binary layer')} (operator {index}): {count} elements are not LCE's"
            )
        if not self._difference <= FLOAT32_TOLERANCE:
            found.append(f"a float layer differs from LCE's by {self._difference:.1e}")
        return [f"stock LiteRT with the delegate: {problem}" for problem in found]

    @property
    def report(self) -> SecondRuntimeCheck | None:
        """What was seen; None where there is no such runtime here."""
        if self._facts is None and not self._fault:
            return None
        binary = [tensor for tensor in self._file.outputs if self._is_binary(tensor)]
        return SecondRuntimeCheck(
            name="litert",
            implementation=self._facts.implementation if self._facts else None,
            partitions=self._facts.partitions if self._facts else 0,
            binary_outputs=len(binary),
            exact_binary_outputs=0 if self._fault else len(binary) - len(self._wrong),
            max_float_difference=self._difference,
            passed=not self._fault and not self.problems,
            detail=self._fault,
        )

    def _open(self) -> None:
        from repbnn_edge.runtime.litert import Interpreter

        with tempfile.TemporaryDirectory(prefix="repbnn-") as folder:
            explain = Path(folder) / "explain.json"
            options: dict[str, object] = {"log_level": "error", "require_all": True, "explain": explain}
            try:
                self._interpreter = Interpreter(model_content=self._file.data, num_threads=1, delegate_options=options)
                self._interpreter.allocate_tensors()
            except (UnsupportedError, RuntimeError, ValueError) as error:  # a limit of ours, and no fault of the file
                self._interpreter, self._fault = None, f"it cannot run the file ({error})"
                return
            self._facts = read_facts(explain.read_text(encoding="utf-8"))

    def _is_binary(self, tensor: int) -> bool:
        return tensor in self._producers and self._producers[tensor].op == lce.BCONV

    def _compare(self, tensor: int, ours: NDArray[Any], theirs: NDArray[Any]) -> None:
        if self._is_binary(tensor):
            wrong = int((ours.view(np.int32) != theirs.view(np.int32)).sum())
            if wrong:
                self._wrong[tensor] = self._wrong.get(tensor, 0) + wrong
        elif theirs.dtype == np.float32 and not np.array_equal(ours, theirs, equal_nan=True):
            largest = float(np.abs(theirs).max()) or 1.0
            difference = float(np.abs(ours - theirs).max()) / largest
            self._difference = max(self._difference, difference if np.isfinite(difference) else sys.float_info.max)


def is_there() -> bool:
    """Whether this installation has the delegate and a runtime to put it into."""
    return find_library() is not None and importlib.util.find_spec("ai_edge_litert") is not None
