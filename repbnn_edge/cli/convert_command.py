"""``repbnn-edge convert``."""

from __future__ import annotations


def command() -> None:
    """Convert a network into a binary TFLite flatbuffer, and prove it."""
