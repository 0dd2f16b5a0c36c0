"""The road from a source to a proven flatbuffer."""

from __future__ import annotations

from repbnn_edge.conversion.pipeline import ConversionRefutedError, Made, build, convert

__all__ = ["ConversionRefutedError", "Made", "build", "convert"]
