"""What changes while a network trains: ReCU's tau, IR-Net's gradient, AdamBNN's second step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from repbnn_edge.errors import UsageError
from repbnn_edge.layers.framework import Callback
from repbnn_edge.layers.quantizers import EDESign, LibraSign, ReCU, TwoStepSign


def quantizers_of(model: Any) -> Iterator[Any]:
    """Every quantiser object of a network, nested networks included; one that two layers share comes once."""
    seen: set[int] = set()
    for module in model.submodules:
        if isinstance(module, ReCU | EDESign | LibraSign | TwoStepSign) and id(module) not in seen:
            seen.add(id(module))
            yield module


class _Schedule(Callback):
    """Base of schedules over ``epochs`` epochs; the last one's value stays."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        if epochs < 1:
            raise UsageError(type(self).__name__, f"epochs is {epochs}", "give the number of epochs of the training")
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keras calls it with epochs from 0."""
        self._apply(min(epoch, self.epochs) / self.epochs)

    def _apply(self, progress: float) -> None:
        raise NotImplementedError


class TauSchedule(_Schedule):
    """ReCU's tau: grows from ``start`` as e^progress does: start + (end - start) (e^(epoch/epochs) - 1) / (e - 1).

    Source: Xu et al., ReCU, ICCV 2021, and the authors' code.
    """

    def __init__(self, epochs: int, start: float = 0.85, end: float = 0.99) -> None:
        super().__init__(epochs)
        if not 0.5 < start <= end <= 1.0:
            raise UsageError("TauSchedule", f"it goes from {start} to {end}", "give 0.5 < start <= end <= 1")
        self.start, self.end = start, end

    def tau(self, progress: float) -> float:
        """The value at ``progress`` (0 to 1)."""
        return self.start + (self.end - self.start) * math.expm1(progress) / math.expm1(1.0)

    def _apply(self, progress: float) -> None:
        for quantizer in quantizers_of(self.model):
            if isinstance(quantizer, ReCU):
                quantizer.tau.assign(self.tau(progress))


class EDESchedule(_Schedule):
    """IR-Net's t, geometric from ``start`` to ``end``, and k = max(1 / t, 1).

    Source: Qin et al., IR-Net, CVPR 2020, eq. 13, and the authors' code.
    """

    def __init__(self, epochs: int, start: float = 1e-3, end: float = 10.0) -> None:
        super().__init__(epochs)
        if not 0 < start <= end:
            raise UsageError("EDESchedule", f"it goes from {start} to {end}", "give 0 < start <= end")
        self.start, self.end = start, end

    def t(self, progress: float) -> float:
        """The value at ``progress`` (0 to 1)."""
        return float(self.start * (self.end / self.start) ** progress)

    def _apply(self, progress: float) -> None:
        t = self.t(progress)
        for quantizer in quantizers_of(self.model):
            if isinstance(quantizer, EDESign | LibraSign):
                quantizer.t.assign(t)
                quantizer.k.assign(max(1.0 / t, 1.0))


def set_training_step(model: Any, step: int) -> None:
    """Move a network to step 1 (real weights) or 2 (binary weights) of AdamBNN's training.

    The functions that Keras has compiled for the network are dropped, so that the next ``fit`` sees the change.

    Raises:
        UsageError: another step, or no layer of the network has ``TwoStepSign`` weights.
    """
    if step not in (1, 2):
        raise UsageError("set_training_step", f"step is {step}", "give 1 (real weights) or 2 (binary weights)")
    two_step = [q for q in quantizers_of(model) if isinstance(q, TwoStepSign)]
    if not two_step:
        raise UsageError(model.name, "none of its layers has TwoStepSign weights", "use a network that has")
    for quantizer in two_step:
        quantizer.step = step
    model.train_function = model.test_function = model.predict_function = None
