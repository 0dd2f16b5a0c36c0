"""repbnn-edge takes a Rep-BNN, or any binary neural network, from a paper to a phone.

Everything here is imported when it is first used: ``import repbnn_edge`` itself loads no framework.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from repbnn_edge import errors, registration
from repbnn_edge.stack import prepare_environment

__version__ = "0.1.0"

_WHERE = {
    "bench": "repbnn_edge.benching.running",
    "convert": "repbnn_edge.conversion",
    "verify": "repbnn_edge.conversion.verifying",
    "transform": "repbnn_edge.reptran",
    "rep_tran": "repbnn_edge.reptran",
    "evaluate": "repbnn_edge.evaluation",
    "inspect_file": "repbnn_edge.inspection",
    "list_models": "repbnn_edge.models",
    "list_devices": "repbnn_edge.devices.listing",
    "doctor": "repbnn_edge.diagnosis",
    "load_delegate": "repbnn_edge.runtime.delegate",
    "Interpreter": "repbnn_edge.runtime.litert",
    "CompiledModel": "repbnn_edge.runtime.litert_compiled",
}

__all__ = [
    "CompiledModel",
    "Interpreter",
    "__version__",
    "bench",
    "convert",
    "doctor",
    "errors",
    "evaluate",
    "inspect_file",
    "list_devices",
    "list_models",
    "load_delegate",
    "rep_tran",
    "transform",
    "verify",
]

prepare_environment()
registration.install()


def __getattr__(name: str) -> Any:
    if name == "torch":  # repbnn_edge.torch.export, without an import of its own
        return importlib.import_module("repbnn_edge.torch")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from repbnn_edge.benching.running import bench
    from repbnn_edge.conversion import convert
    from repbnn_edge.conversion.verifying import verify
    from repbnn_edge.devices.listing import list_devices
    from repbnn_edge.diagnosis import doctor
    from repbnn_edge.evaluation import evaluate
    from repbnn_edge.inspection import inspect_file
    from repbnn_edge.models import list_models
    from repbnn_edge.reptran import rep_tran, transform
    from repbnn_edge.runtime.delegate import load_delegate
    from repbnn_edge.runtime.litert import Interpreter
    from repbnn_edge.runtime.litert_compiled import CompiledModel
