"""Makes Keras know our layers: ``.keras`` files and SavedModels that use them load after ``import repbnn_edge``.

Importing the layers would import tensorflow, which ``import repbnn_edge`` must not do. So a hook waits for whoever
imports tensorflow (with Keras 2) and registers the layers then; where that has happened already, it acts at once.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from repbnn_edge.errors import RepbnnError

_AWAITED = ("tensorflow", "tf_keras")


class _AfterImport(MetaPathFinder):
    """Runs ``_register`` when one of the awaited modules has been executed; finds nothing by itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _AWAITED:
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                _run_after_execution(spec.loader)
                return spec
        return None


def _run_after_execution(loader: Any) -> None:
    """The loader object belongs to this one import, so an attribute on it changes nothing else."""
    execute: Callable[[ModuleType], None] | None = getattr(loader, "exec_module", None)
    if execute is None:
        return

    def execute_then_register(module: ModuleType) -> None:
        execute(module)
        del loader.exec_module
        if module.__name__ == "tensorflow" or _is_whole("tensorflow"):
            _register()

    loader.exec_module = execute_then_register


def _is_whole(name: str) -> bool:
    """Whether a module is imported to its end: tensorflow imports tf_keras while it is itself half done."""
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)


def _register() -> None:
    """Import the layers, which registers them; without Keras 2 or larq there is nothing to register with.

    Nothing may be raised from here: somebody else's ``import tensorflow`` would fail.
    """
    if "tf_keras" in sys.modules:
        with contextlib.suppress(ImportError, RepbnnError):
            importlib.import_module("repbnn_edge.layers")


def install() -> None:
    """Register the layers with Keras now, or as soon as tensorflow is imported. Calling it twice is harmless."""
    if _is_whole("tensorflow"):
        _register()
    elif not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterImport())
