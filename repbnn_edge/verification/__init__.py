"""Proof that a file is its source: teacher-forced, integer-exact for every binary layer; see docs/verify.md."""

from repbnn_edge.verification.reference import BinaryLayer, Reference

__all__ = ["BinaryLayer", "Reference"]
