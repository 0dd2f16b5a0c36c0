"""onnxruntime, in the one way that counts as the truth: graph optimisations off, one provider, quiet."""

from __future__ import annotations

from typing import Any

import onnxruntime as ort

from repbnn_edge.errors import UnsupportedError

_MESSAGE = 200


def unoptimised(model: Any, what: str) -> Any:
    """A session of ``model`` (a ModelProto) that computes node by node what the file says.

    Raises:
        UnsupportedError: onnxruntime refuses the graph; ``what`` names it.
    """
    return _session(model, what, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)


def optimised(model: Any, what: str) -> Any:
    """A session at onnxruntime's default level, which fuses and so rounds differently: for comparison only."""
    return _session(model, what, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)


def run(session: Any, outputs: list[str], feeds: dict[str, Any], what: str) -> list[Any]:
    """Run it; onnxruntime's complaints become a sentence."""
    try:
        return list(session.run(outputs, feeds))
    except Exception as error:  # onnxruntime raises a dozen types without a common base
        raise _refused(what, error) from error


def _session(model: Any, what: str, level: Any) -> Any:
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _refused(what, error) from error


def _refused(what: str, error: Exception) -> UnsupportedError:
    why = f"onnxruntime cannot run it ({str(error).strip()[:_MESSAGE]})"
    return UnsupportedError(what, why, "export in float32 with opset_version=18, or remove that part")
