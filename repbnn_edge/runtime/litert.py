"""The stock interpreter with the delegate in it, as one line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ai_edge_litert import interpreter as stock

from repbnn_edge.runtime.delegate import load_delegate


class Interpreter(stock.Interpreter):
    """``ai_edge_litert``'s interpreter, with repbnn's delegate in front of its other delegates.

    ::

        interpreter = repbnn_edge.Interpreter("network.tflite")
        interpreter.allocate_tensors()

    Args:
        model_path: a ``.tflite`` file, with or without LCE's operators.
        model_content: its bytes, instead.
        num_threads: of the delegate and of the runtime's own kernels; None is one thread.
        delegate_options: as for :func:`repbnn_edge.load_delegate`.
        experimental_delegates: further delegates, which get what is left.
        **stock_options: whatever else the stock interpreter takes.

    Raises:
        UnsupportedError: there is no delegate for this platform.
        UsageError: an unknown delegate option.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        model_content: bytes | None = None,
        num_threads: int | None = None,
        delegate_options: dict[str, object] | None = None,
        experimental_delegates: Sequence[Any] | None = None,
        **stock_options: Any,
    ) -> None:
        threads = {} if num_threads is None else {"num_threads": num_threads}
        delegate = load_delegate(**{**threads, **(delegate_options or {})})
        super().__init__(
            model_path=None if model_path is None else os.fspath(model_path),
            model_content=model_content,
            num_threads=num_threads,
            experimental_delegates=[delegate, *(experimental_delegates or [])],
            **stock_options,
        )
