"""The one place that imports tensorflow and larq, in the only order in which they work.

larq and larq-compute-engine need Keras 2 (``tf_keras``), which TensorFlow picks only when
``TF_USE_LEGACY_KERAS=1`` stands in the environment before it is first imported.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from repbnn_edge.errors import UnsupportedError


def prepare_environment() -> None:
    """Ask TensorFlow for Keras 2 and for silence; has no effect on what is already imported."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def tensorflow() -> Any:
    """Import tensorflow with Keras 2.

    Raises:
        UnsupportedError: Keras 3 was imported through tensorflow before, so larq cannot work.
    """
    prepare_environment()
    with _quiet_import("tensorflow"):
        tf = importlib.import_module("tensorflow")
    if not tf.keras.layers.Layer.__module__.startswith("tf_keras."):
        raise UnsupportedError(
            "Keras 3",
            "tensorflow was imported with it in this process, and larq needs Keras 2",
            "import repbnn_edge before tensorflow, or set TF_USE_LEGACY_KERAS=1",
        )
    return tf


@contextmanager
def _quiet_import(module: str) -> Iterator[None]:
    """Keep from stderr what TensorFlow's C++ writes while it is first imported, before its log level holds.

    The garbage collector rests meanwhile: it would walk a million fresh objects again and again, and free none.
    """
    if module in sys.modules:
        yield
        return
    sys.stderr.flush()
    copy, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    collecting = gc.isenabled()
    try:
        os.dup2(null, 2)
        gc.disable()
        yield
    finally:
        if collecting:
            gc.enable()
        os.dup2(copy, 2)
        os.close(copy)
        os.close(null)


def larq() -> Any:
    """Import larq, after tensorflow in its Keras 2 form."""
    tensorflow()
    return importlib.import_module("larq")


def larq_compute_engine() -> Any:
    """Import larq-compute-engine, the converter and reference interpreter.

    Raises:
        UnsupportedError: it has no wheel for this platform, or is not installed.
    """
    tensorflow()
    try:
        return importlib.import_module("larq_compute_engine")
    except ImportError as error:
        raise UnsupportedError(
            "larq-compute-engine",
            f"it cannot be imported on {sys.platform} {os.uname().machine if hasattr(os, 'uname') else ''} ({error})",
            "convert on x86-64 Linux, macOS or Windows with Python 3.10 to 3.12; the file then runs anywhere",
        ) from error
