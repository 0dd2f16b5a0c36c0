"""The table of operators: which function recognises which."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from repbnn_converters.onnx.graph import Node

if TYPE_CHECKING:
    from repbnn_converters.onnx.recognition.builder import Builder

Handler = Callable[["Builder", Node], None]
TABLE: dict[str, Handler] = {}


def handles(*operators: str) -> Callable[[Handler], Handler]:
    """Register a function for these operators."""

    def register(function: Handler) -> Handler:
        TABLE.update(dict.fromkeys(operators, function))
        return function

    return register
