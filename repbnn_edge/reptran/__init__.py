"""RepTran: the rules that turn a binary neural network into its Rep-BNN (arXiv 2207.09049)."""

from __future__ import annotations

from repbnn_edge.reptran.report import TransformReport
from repbnn_edge.reptran.transforming import transform
from repbnn_edge.reptran.widening import Widened, rep_tran, widen

__all__ = ["TransformReport", "Widened", "rep_tran", "transform", "widen"]
