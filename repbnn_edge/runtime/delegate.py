"""Finds librepbnn_delegate and loads it into a stock TFLite runtime: LCE's operators then run there, fast."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repbnn_edge.errors import UnsupportedError, UsageError

LIBRARY_NAME = "librepbnn_delegate.so"
_ENTRY_POINTS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
_RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


def find_library() -> Path | None:
    """The delegate's shared library, or None when this installation has none.

    In this order: ``REPBNN_DELEGATE_LIBRARY``, the checkout's own build (``make native``), the installed package.
    """
    override = os.environ.get("REPBNN_DELEGATE_LIBRARY")
    if override:
        return Path(override)
    package = Path(__file__).resolve().parent
    candidates = [
        package.parents[1] / "build" / "native" / "native" / LIBRARY_NAME,
        package / LIBRARY_NAME,
        Path(sysconfig.get_path("platlib")) / "repbnn_edge" / "runtime" / LIBRARY_NAME,  # an editable installation
    ]
    return next((path for path in candidates if path.is_file()), None)


def require_library() -> Path:
    """As :func:`find_library`.

    Raises:
        UnsupportedError: this installation has none.
    """
    library = find_library()
    if library is None:
        raise UnsupportedError(
            LIBRARY_NAME,
            "this installation was built without it",
            "install on Linux x86-64 or aarch64 with a C++ compiler, or build it with `make native`",
        )
    return library


def as_texts(options: Mapping[str, object]) -> dict[str, str]:
    """Options as the library reads them."""
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in options.items()}


def load_delegate(**options: object) -> Any:
    """Load the delegate for ``ai_edge_litert``, ``tflite_runtime`` or ``tf.lite``.

    ``Interpreter(model_path=..., experimental_delegates=[repbnn_edge.load_delegate()])`` of any of the three takes it.

    Args:
        **options: as docs/delegate.md lists them: ``num_threads``, ``implementation``, ``fusion``, ``require_all``,
            ``log_level``, ``explain``, ``profiling``. ``True`` and ``False`` may be Python's.

    Raises:
        UnsupportedError: no library for this platform, or no runtime that loads delegates.
        UsageError: an unknown option or value; the error names the valid ones.
    """
    return load_ours(_loader(), as_texts(options))


def load_ours(load: Any, options: Mapping[str, str]) -> Any:
    """As :func:`load_delegate`, by the ``load_delegate`` of one runtime."""
    library = require_library()
    fault = fault_of(library)
    if fault:
        raise UnsupportedError(str(library), fault, "build it again on this machine")
    return create(load, library, options)


def fault_of(library: Path) -> str:
    """Why a library is no delegate; empty where it is one.

    Asked first: a runtime's own loader leaves a half-made object behind, which then complains on its deletion.
    """
    try:
        found = ctypes.CDLL(str(library))
    except OSError as error:
        return f"it cannot be loaded ({error})"
    missing = [name for name in _ENTRY_POINTS if not hasattr(found, name)]
    return f"it is no delegate, it lacks {missing[0]}" if missing else ""


def create(load: Any, library: Path, options: Mapping[str, str]) -> Any:
    """A delegate of a library without fault, by a runtime's ``load_delegate``.

    Raises:
        UsageError: the delegate refuses the options.
    """
    try:
        return load(str(library), options=dict(options))
    except ValueError as error:
        reason = str(error).partition("\n")[2] or str(error)
        raise UsageError("the delegate", reason, "correct its options") from error


def _loader() -> Any:
    for name in _RUNTIMES:
        with contextlib.suppress(ImportError):
            return importlib.import_module(name).load_delegate
    raise UnsupportedError(
        "TFLite", "neither ai_edge_litert nor tflite_runtime can be imported", "pip install ai-edge-litert"
    )
