"""Work in a process of its own: PyTorch's dynamo exporter ends the process that it runs in for some networks."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

SECONDS = 900.0
"""How long dynamo may take; it needs a minute for the largest networks of this field."""
_CHUNK = 1 << 20


class ChildError(RuntimeError):
    """The work failed in the child, or with it."""


def in_a_child(work: Callable[[], bytes]) -> bytes:
    """Run ``work`` in a forked copy of this process, and give what it gives.

    Where processes cannot be forked safely (macOS, Windows) it runs here.

    Raises:
        ChildError: the work raised something (its first line), the process crashed, or took too long.
    """
    if not sys.platform.startswith("linux"):
        return work()
    receive, send = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of threads: the child starts none and takes no lock of theirs
        child = os.fork()
    if child == 0:
        _work_and_leave(work, send)
    os.close(send)
    try:
        data = _received(receive)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(receive)
        _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise ChildError(f"it crashed with {signal.Signals(os.WTERMSIG(status)).name}")
    if data[:1] != b"+":
        raise ChildError(data[1:].decode("utf-8", "replace") or "it ended without a word")
    return data[1:]


def _work_and_leave(work: Callable[[], bytes], send: int) -> Any:
    """In the child: nothing of the parent's is cleaned up or flushed here."""
    code = 1
    try:
        _quiet()
        import torch

        torch.set_num_threads(1)  # the pool's threads were not forked
        result = b"+" + work()
        code = 0
    except BaseException as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        result = b"-" + (lines[0] if lines else type(error).__name__).encode("utf-8", "replace")
    try:
        view = memoryview(result)
        while view:
            view = view[os.write(send, view) :]
    finally:
        os._exit(code)


def _quiet() -> None:
    """A crash's own report is not the user's: the parent says it in a sentence."""
    import faulthandler

    faulthandler.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _received(receive: int) -> bytes:
    end, parts = time.monotonic() + SECONDS, list[bytes]()
    while True:
        ready, _, _ = select.select([receive], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            raise ChildError(f"it was not done after {SECONDS:.0f} s")
        part = os.read(receive, _CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)
