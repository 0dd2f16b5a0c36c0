"""Top-1 and top-5 of a file on labelled pictures, by one runtime or several side by side."""

from repbnn_edge.evaluation.evaluating import evaluate

__all__ = ["evaluate"]
