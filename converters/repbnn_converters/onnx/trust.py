"""What a hostile file can make Python raise, as a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from repbnn_edge.errors import BadInputError

_SAID = 160


@contextmanager
def contradictions(what: str) -> Iterator[None]:
    """Turn what an impossible attribute or constant raises into BadInputError.

    A file can give any operator attributes of any type, and numbers that fit nothing; to check each before its use
    would be ONNX's whole specification once more.
    """
    try:
        yield
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError, MemoryError) as error:
        why = f"its attributes or inputs contradict its operator ({type(error).__name__}: {str(error)[:_SAID]})"
        raise BadInputError(what, why, "export it again with torch.onnx.export") from error
