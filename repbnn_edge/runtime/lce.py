"""Runs a flatbuffer in LCE's own interpreter: the only door to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge import stack
from repbnn_edge.errors import UnsupportedError, UsageError

Array = NDArray[Any]


class LceInterpreter:
    """A flatbuffer, ready to run one sample at a time.

    Args:
        data: the flatbuffer.
        num_threads: of LCE's kernels.
        what: what an error calls the flatbuffer.
        indirect: run binary convolutions by LCE's indirect kernels: off Arm several times as fast as its default ones.
        xnnpack: run float operators by the XNNPACK that is in it.

    Raises:
        UnsupportedError: LCE is not installed, or its interpreter refuses the flatbuffer.
    """

    def __init__(
        self,
        data: bytes,
        num_threads: int = 2,
        what: str = "the file",
        *,
        indirect: bool = False,
        xnnpack: bool = False,
    ) -> None:
        stack.larq_compute_engine()
        from larq_compute_engine.tflite.python.interpreter import Interpreter

        self._what = what
        try:
            self._interpreter = Interpreter(
                data, num_threads=num_threads, use_indirect_bgemm=indirect, use_xnnpack=xnnpack
            )
            self._shapes = [tuple(shape) for shape in self._interpreter.input_shapes]
            self._types = [np.dtype(kind) for kind in self._interpreter.input_types]
        except (RuntimeError, ValueError) as error:
            raise self._refusal(error) from error

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each input, batch included."""
        return self._shapes

    @property
    def input_types(self) -> list[np.dtype[Any]]:
        """The dtype of each input."""
        return self._types

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run once.

        Args:
            inputs: one array for each input, exactly of its shape and dtype.

        Returns:
            one array for each output, in the flatbuffer's order.

        Raises:
            UsageError: an input of another shape.
            UnsupportedError: the interpreter fails.
        """
        shapes = [array.shape for array in inputs]
        if shapes != self._shapes:
            raise UsageError(self._what, f"it takes inputs of {self._shapes}, not {shapes}", "give those")
        try:
            outputs = self._interpreter.interpreter.predict([np.ascontiguousarray(array) for array in inputs])
        except (RuntimeError, ValueError) as error:
            raise self._refusal(error) from error
        return list(outputs)

    def _refusal(self, error: Exception) -> UnsupportedError:
        return UnsupportedError(
            self._what, f"LCE's interpreter cannot run it ({error or type(error).__name__})", "convert it again"
        )


class CheckedInterpreter:
    """LCE's default kernels first, and its indirect ones from then on if they gave the same in every byte.

    The default kernels are what a file is judged by; off Arm they are a portable fallback. The first run is done by
    both, and gives what the default ones gave. Where the indirect ones cannot run the file, or one byte of one output
    differs, every run is the default kernels'.

    Args:
        data: the flatbuffer.

    Raises:
        UnsupportedError: LCE is not installed, or its default interpreter refuses the flatbuffer.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._interpreter = LceInterpreter(data)
        self._compared = False

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run once; as ``LceInterpreter.run``."""
        outputs = self._interpreter.run(inputs)
        if not self._compared:
            self._compared = True
            self._interpreter = self._indirect(inputs, outputs) or self._interpreter
        return outputs

    def _indirect(self, inputs: Sequence[Array], expected: Sequence[Array]) -> LceInterpreter | None:
        try:
            interpreter = LceInterpreter(self._data, num_threads=1, indirect=True)
            outputs = interpreter.run(inputs)
        except UnsupportedError:
            return None
        equal = all(one.tobytes() == other.tobytes() for one, other in zip(outputs, expected, strict=True))
        return interpreter if equal else None
