"""LiteRT 2.x's C library as the wheel ai-edge-litert brings it: what a compiled model needs, in every version.

Declared here in ctypes because the wheels' own Python for it differs from 2.1.0 to 2.3.0 and takes no accelerator.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from repbnn_edge.errors import UnsupportedError

CPU = 1
READ, WRITE = 0, 1
_DTYPES = {1: np.float32, 2: np.int32, 3: np.uint8, 4: np.int64, 6: np.bool_, 9: np.int8}
_RANK_BITS = 127
Handle = ctypes.c_void_p


class _Layout(ctypes.Structure):
    _fields_ = [("rank_and_flag", ctypes.c_uint), ("sizes", ctypes.c_int32 * 8), ("strides", ctypes.c_uint32 * 8)]


class TensorType(ctypes.Structure):
    """An element type and a shape."""

    _fields_ = [("element", ctypes.c_int), ("layout", _Layout)]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, batch included; -1 where the file leaves one open."""
        return tuple(self.layout.sizes[: self.layout.rank_and_flag & _RANK_BITS])

    @property
    def dtype(self) -> Any:
        """As NumPy names it; None for one that NumPy has no name for."""
        return _DTYPES.get(self.element)


class LiteRtLibrary:
    """``libLiteRt.so``, loaded.

    Raises:
        UnsupportedError: ai-edge-litert is not installed, or is older than its C library (2.1).
    """

    def __init__(self) -> None:
        self.version, path = _find()
        try:
            self._library = ctypes.CDLL(str(path))
        except OSError as error:
            raise UnsupportedError(
                str(path), f"it cannot be loaded ({error})", "install ai-edge-litert again"
            ) from error
        # Since 2.1.6 a model belongs to an environment. That version also brought this function.
        self._models_have_environments = hasattr(self._library, "LiteRtDestroyDelegateWrapper")

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function that returns a status.

        Raises:
            UnsupportedError: the status is not that of success.
        """
        status = getattr(self._library, name)(*arguments)
        if status != 0:
            raise UnsupportedError("LiteRT", f"{name} fails with status {status}", "see its message on stderr")

    def make(self, name: str, *arguments: Any) -> Any:
        """Call a function whose last argument takes a handle; returns the handle."""
        handle = Handle()
        self.call(name, *arguments, ctypes.byref(handle))
        return handle

    def count(self, name: str, *arguments: Any) -> int:
        """Call a function whose last argument takes a number."""
        value = ctypes.c_size_t()
        self.call(name, *arguments, ctypes.byref(value))
        return value.value

    def destroy(self, kind: str, handle: Any) -> None:
        """Call the function that ends a handle of this kind: ``Environment``, ``Model`` ..."""
        function = getattr(self._library, f"LiteRtDestroy{kind}")
        function.restype = None
        function(handle)

    def model(self, environment: Any, data: Any, size: int) -> Any:
        """A model over ``data``, which must live as long as it does."""
        owner = [environment] if self._models_have_environments else []
        return self.make("LiteRtCreateModelFromBuffer", *owner, data, ctypes.c_size_t(size))

    def options(self, num_threads: int) -> Any:
        """Options of a compilation for the processor."""
        options = self.make("LiteRtCreateOptions")
        self.call("LiteRtSetOptionsHardwareAccelerators", options, CPU)
        self.call("LiteRtAddOpaqueOptions", options, self._cpu_options(num_threads))
        return options

    def _cpu_options(self, num_threads: int) -> Any:
        if hasattr(self._library, "LiteRtSetCpuOptionsNumThread"):  # before 2.1.3
            opaque = self.make("LiteRtCreateCpuOptions")
            self.call("LiteRtSetCpuOptionsNumThread", self.make("LiteRtFindCpuOptions", opaque), num_threads)
            return opaque
        system = ctypes.CDLL(None)  # LiteRT frees the text when it is done with it
        system.strdup.restype = Handle
        text = Handle(system.strdup(f"num_threads = {num_threads}\n".encode()))
        return self.make("LiteRtCreateOpaqueOptions", b"xnnpack", text, ctypes.cast(system.free, Handle))

    def register(self, delegate: Path, environment: Any, options: dict[str, str]) -> str:
        """Put our delegate into an environment; returns why that failed, or an empty string."""
        library = ctypes.CDLL(str(delegate))
        keys = (ctypes.c_char_p * len(options))(*[key.encode() for key in options])
        values = (ctypes.c_char_p * len(options))(*[value.encode() for value in options.values()])
        said: list[str] = []
        report: Callable[..., Any] = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(
            lambda text: said.append(text.decode(errors="replace"))
        )
        failed = library.repbnn_register_accelerator(environment, keys, values, ctypes.c_size_t(len(options)), report)
        return (said or ["it gave no reason"])[0] if failed else ""


def _find() -> tuple[str, Path]:
    do = "pip install 'ai-edge-litert>=2.1'"
    spec = importlib.util.find_spec("ai_edge_litert")
    if spec is None or spec.origin is None:
        raise UnsupportedError("LiteRT", "ai-edge-litert is not installed", do)
    path = next(iter(sorted(Path(spec.origin).parent.glob("libLiteRt.*"))), None)
    if path is None:
        raise UnsupportedError("LiteRT", "this ai-edge-litert has no compiled models", do)
    return importlib.metadata.version("ai-edge-litert"), path
