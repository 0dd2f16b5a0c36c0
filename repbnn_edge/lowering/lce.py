"""The only door to Larq Compute Engine's converter."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from repbnn_edge import console, stack
from repbnn_edge.errors import UnsupportedError
from repbnn_edge.lowering.freezing import FrozenGraph

_TARGET = "arm"  # the one whose operators run on phones; LCE's other target is a microcontroller
_one_at_a_time = threading.Lock()


def convert_graph(graph: FrozenGraph) -> bytes:
    """Convert a frozen graph into a TFLite flatbuffer with LCE's operators.

    Raises:
        UnsupportedError: LCE cannot convert it; the reason is LCE's own.
    """
    stack.larq_compute_engine()
    from larq_compute_engine.mlir._tf_tfl_flatbuffer import convert_graphdef_to_tflite_flatbuffer

    data: bytes = _quietly(
        convert_graphdef_to_tflite_flatbuffer,
        graph.graph_def,
        [name for name, _ in graph.inputs],
        ["DT_FLOAT"] * len(graph.inputs),
        [list(shape) for _, shape in graph.inputs],
        list(graph.outputs),
        False,  # no post-training quantisation
        _TARGET,
        None,
    )
    return data


def _quietly(function: Any, *arguments: Any) -> Any:
    """Call LCE with its chatter caught; stdout belongs to our result, and the chatter holds the reason of a failure."""
    with _one_at_a_time, tempfile.TemporaryFile() as caught:
        try:
            with _redirected(caught):
                result = function(*arguments)
        except Exception as error:
            reason = _reason(f"{error}\n{_text(caught)}")
            raise UnsupportedError("LCE's converter", reason, "see docs/convert.md for what LCE can express") from error
        for line in _text(caught).splitlines():
            console.note(line)
        return result


@contextmanager
def _redirected(caught: IO[bytes]) -> Iterator[None]:
    """Send file descriptors 1 and 2 to ``caught``: LCE's C++ writes to them directly."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    try:
        for descriptor, _ in saved:
            os.dup2(caught.fileno(), descriptor)
        yield
    finally:
        for descriptor, copy in saved:
            os.dup2(copy, descriptor)
            os.close(copy)


def _text(caught: IO[bytes]) -> str:
    caught.seek(0)
    return caught.read().decode("utf-8", "replace")


def _reason(chatter: str) -> str:
    """The first sentence in which MLIR says what is wrong, without paths and locations."""
    for line in chatter.splitlines():
        match = re.search(r"error: (.+)", line)
        if match:
            return match[1].strip().rstrip(".")[:300]
    lines = [line.strip() for line in chatter.splitlines() if line.strip()]
    return (lines[0] if lines else "it failed without a reason").rstrip(".")[:300]
