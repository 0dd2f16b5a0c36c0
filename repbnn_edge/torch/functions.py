"""Custom autograd functions as the arithmetic of their forward pass.

A straight-through estimator is often a ``torch.autograd.Function``. Where its ``forward`` is written in the manner of
old PyTorch (no staticmethod, arguments that are words), TorchScript finds no operator for it and dynamo crashes
(BinaryNet.pytorch's ``Binarize``). An export needs no gradient: what is traced may be ``forward`` itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


class _Context:
    """Takes what ``forward`` leaves for a backward pass that never comes; holds any attribute."""

    needs_input_grad = ()

    def _ignore(self, *values: Any) -> None:
        """Nothing to be done without gradients."""

    save_for_backward = save_for_forward = mark_dirty = mark_non_differentiable = set_materialize_grads = _ignore


@contextlib.contextmanager
def forwards_only(torch: Any) -> Iterator[None]:
    """While it lasts, ``Function.apply`` calls ``forward`` and nothing else."""
    own = torch.autograd.Function.__dict__["apply"]

    def apply(function: Any, *values: Any, **named: Any) -> Any:
        forward = function.forward
        if function.setup_context is not torch.autograd.Function.setup_context:
            return forward(*values, **named)  # the newer manner: forward has no context
        return forward(_Context(), *values, **named)

    torch.autograd.Function.apply = classmethod(apply)
    try:
        yield
    finally:
        torch.autograd.Function.apply = own
