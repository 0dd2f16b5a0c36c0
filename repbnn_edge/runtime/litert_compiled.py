"""LiteRT 2.x's compiled model, with the delegate in it: the second door beside the interpreter."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError
from repbnn_edge.runtime.delegate import as_texts, require_library
from repbnn_edge.runtime.litert_library import READ, WRITE, Handle, LiteRtLibrary, TensorType

Array = NDArray[Any]


class CompiledModel:
    """A file in LiteRT's CompiledModel: LCE's operators and what stands between them run on the delegate.

    ::

        model = repbnn_edge.CompiledModel("network.tflite")
        (scores,) = model.run([image])

    Needs ``ai-edge-litert`` 2.1.0 or later. Models that live at once are independent of each other; one model is used
    by one thread at a time.

    Args:
        model_path: a ``.tflite`` file, with or without LCE's operators.
        model_content: its bytes, instead.
        num_threads: of the delegate and of LiteRT's own kernels.
        delegate_options: as for :func:`repbnn_edge.load_delegate`.
        use_delegate: False leaves everything to LiteRT, which cannot run LCE's operators.

    Raises:
        BadInputError: no such file.
        UnsupportedError: no delegate or no CompiledModel on this platform, or LiteRT cannot run the file.
        UsageError: an unknown delegate option.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        model_content: bytes | None = None,
        num_threads: int = 1,
        delegate_options: Mapping[str, object] | None = None,
        use_delegate: bool = True,
    ) -> None:
        if (model_path is None) == (model_content is None):
            raise UsageError("CompiledModel", "it takes a path or the file's bytes", "give one of the two")
        self._close: list[Callable[[], None]] = []
        data = _read(Path(model_path)) if model_path is not None else model_content
        self._runtime = LiteRtLibrary()
        environment = self._own("Environment", self._runtime.make("LiteRtCreateEnvironment", 0, None))
        if use_delegate:
            options = as_texts({"num_threads": num_threads, **(delegate_options or {})})
            why = self._runtime.register(require_library(), environment, options)
            if why:
                raise UsageError("the delegate", why, "correct the options")
        assert data is not None
        self._data = ctypes.create_string_buffer(data, len(data))
        model = self._own("Model", self._runtime.model(environment, self._data, len(data)))
        settings = self._own("Options", self._runtime.options(num_threads))
        self._model = self._own(
            "CompiledModel", self._runtime.make("LiteRtCreateCompiledModel", environment, model, settings)
        )
        signature = self._runtime.make("LiteRtGetModelSignature", model, ctypes.c_size_t(0))
        self._inputs = self._buffers(environment, signature, "Input")
        self._outputs = self._buffers(environment, signature, "Output")

    @property
    def version(self) -> str:
        """Of ai-edge-litert."""
        return self._runtime.version

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each input, batch included."""
        return [kind.shape for _, kind in self._inputs]

    @property
    def input_types(self) -> list[Any]:
        """The NumPy type of each input."""
        return [kind.dtype for _, kind in self._inputs]

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run once.

        Args:
            inputs: one array for each input, exactly of its shape and dtype.

        Returns:
            one array for each output, in the file's order.

        Raises:
            UsageError: an input of another shape or dtype.
            UnsupportedError: LiteRT fails.
        """
        self.set_inputs(inputs)
        self.invoke()
        return self.outputs()

    def set_inputs(self, inputs: Sequence[Array]) -> None:
        """Put the inputs in place; as the first part of :meth:`run`."""
        self._require_open()
        given = [(array.shape, array.dtype) for array in inputs]
        wanted = [(kind.shape, np.dtype(kind.dtype)) for _, kind in self._inputs]
        if given != wanted:
            raise UsageError("the inputs", f"they are {given}, and the file takes {wanted}", "give those")
        for (buffer, kind), array in zip(self._inputs, inputs, strict=True):
            with self._locked(buffer, kind, WRITE) as memory:
                np.copyto(memory, array)

    def invoke(self) -> None:
        """Run on the inputs that are in place."""
        self._require_open()
        inputs, outputs = ((Handle * len(all_))(*[b for b, _ in all_]) for all_ in (self._inputs, self._outputs))
        counts = [ctypes.c_size_t(number) for number in (0, len(inputs), len(outputs))]
        self._runtime.call("LiteRtRunCompiledModel", self._model, counts[0], counts[1], inputs, counts[2], outputs)

    def outputs(self) -> list[Array]:
        """Copies of the outputs of the last run."""
        self._require_open()
        copies = []
        for buffer, kind in self._outputs:
            with self._locked(buffer, kind, READ) as memory:
                copies.append(memory.copy())
        return copies

    def close(self) -> None:
        """Free what the model holds; it cannot be used after it."""
        while self._close:
            self._close.pop()()

    def __del__(self) -> None:
        if hasattr(self, "_close"):
            self.close()

    def _require_open(self) -> None:
        if not self._close:
            raise UsageError("CompiledModel", "it was closed", "open the file again")

    def _own(self, kind: str, handle: Any) -> Any:
        self._close.append(lambda: self._runtime.destroy(kind, handle))
        return handle

    def _buffers(self, environment: Any, signature: Any, kind: str) -> list[tuple[Any, TensorType]]:
        result = []
        for index in range(self._runtime.count(f"LiteRtGetNumSignature{kind}s", signature)):
            position = ctypes.c_size_t(index)
            tensor = self._runtime.make(f"LiteRtGetSignature{kind}TensorByIndex", signature, position)
            what = TensorType()
            self._runtime.call("LiteRtGetRankedTensorType", tensor, ctypes.byref(what))
            if what.dtype is None or any(size < 1 for size in what.shape):
                raise UnsupportedError(
                    f"{kind.lower()} {index}",
                    "the file leaves its type or shape open",
                    "use repbnn_edge.Interpreter",
                )
            needs = self._runtime.make(
                f"LiteRtGetCompiledModel{kind}BufferRequirements", self._model, ctypes.c_size_t(0), position
            )
            buffer = self._runtime.make(
                "LiteRtCreateManagedTensorBufferFromRequirements", environment, ctypes.byref(what), needs
            )
            result.append((self._own("TensorBuffer", buffer), what))
        return result

    @contextlib.contextmanager
    def _locked(self, buffer: Any, kind: TensorType, mode: int) -> Iterator[Array]:
        memory = Handle()
        self._runtime.call("LiteRtLockTensorBuffer", buffer, ctypes.byref(memory), mode)
        try:
            size = int(np.prod(kind.shape)) * np.dtype(kind.dtype).itemsize
            assert memory.value is not None
            raw = memoryview((ctypes.c_ubyte * size).from_address(memory.value))
            yield np.asarray(raw, np.uint8).view(kind.dtype).reshape(kind.shape)
        finally:
            self._runtime.call("LiteRtUnlockTensorBuffer", buffer)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(str(path), error.strerror or "it cannot be read", "give a .tflite file") from error
