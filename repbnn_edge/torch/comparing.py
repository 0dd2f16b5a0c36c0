"""Whether an exported file computes what the network computes.

Two runs of one binary network differ: a rounding of 1e-7 before a sign flips a bit, and the flip spreads. So the file
is held against how far the network departs from itself when its input moves by a rounding: an export that lost a sign,
a branch or its weights is as far from the network as one picture's output from another's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.torch.functions import forwards_only
from repbnn_edge.torch.smoothing import smooth_file, smooth_run

Array = NDArray[Any]
Runner = Callable[[Any], Array]
TOLERANCE = 1e-3
"""Of the spread of an output: far above what float32 rounding gives where no bit flips."""
_OWN_FACTOR = 3.0
_MOVE = 1e-5
_MOVES = 2
_RANDOM_INPUTS = 2
_MORE_INPUTS = 4


class NotRunnableError(Exception):
    """The network does not run outside its exporter; holds what it raised."""


@dataclass(frozen=True)
class Comparison:
    """The file beside the network.

    Attributes:
        difference: of their outputs, root mean square over the output's spread; the median of the inputs.
        own: the largest such difference of the network from itself, its input moved by a rounding.
        inputs: how many inputs gave finite outputs.
    """

    difference: float
    own: float
    inputs: int

    @property
    def limit(self) -> float:
        """What a right file may differ by."""
        return max(TOLERANCE, _OWN_FACTOR * self.own)

    @property
    def tells(self) -> bool:
        """Whether a wrong file would be seen: outputs of unrelated networks differ by about 1.4."""
        return self.inputs > 0 and self.limit < 1.0

    @property
    def differs(self) -> bool:
        """Whether the file is another network."""
        return self.tells and not self.difference <= self.limit


def compare(torch: Any, network: Any, data: bytes, image: Any) -> Comparison:
    """Run both on the example and on random images; on more of them before saying that they differ.

    Where the network's own flips hide everything, both are compared with smooth signs.

    Args:
        torch: the module.
        network: in eval mode, float32, on the CPU.
        data: the file.
        image: one input, (1, ...).

    Raises:
        NotRunnableError: the network raises something when it runs.
        Exception: whatever onnxruntime raises when it loads the file.
    """
    run = _runner(torch, network)
    found = _compared(torch, run, _session(data), image)
    if found.tells or not found.inputs:
        return found

    def smooth(x: Any) -> Array:
        return np.asarray(smooth_run(torch, run, x))

    return _compared(torch, smooth, _session(smooth_file(data)), image)


def _session(data: bytes) -> Any:
    """Let onnxruntime load what was written: some of dynamo's files have operators with inputs of the wrong type."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _compared(torch: Any, run: Runner, session: Any, image: Any) -> Comparison:
    random = torch.Generator().manual_seed(0)
    inputs = [image, *(torch.randn(image.shape, generator=random) for _ in range(_RANDOM_INPUTS))]
    rows = _rows(torch, run, session, inputs, random)
    if _comparison(rows).differs:
        more = [torch.randn(image.shape, generator=random) for _ in range(_MORE_INPUTS)]
        rows += _rows(torch, run, session, more, random)
    return _comparison(rows)


def _rows(torch: Any, run: Runner, session: Any, inputs: Sequence[Any], random: Any) -> list[tuple[float, float]]:
    """(difference, own) of each input whose output is finite."""
    rows = []
    for x in inputs:
        truth = run(x)
        if not truth.size or not np.isfinite(truth).all():
            continue
        size = _MOVE * max(float(x.abs().max()), 1.0)
        moved = [run(x + size * torch.randn(x.shape, generator=random)) for _ in range(_MOVES)]
        got = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
        rows.append((_distance(got, truth), max(_distance(other, truth) for other in moved)))
    return rows


def _comparison(rows: Sequence[tuple[float, float]]) -> Comparison:
    differences, owns = [row[0] for row in rows], [row[1] for row in rows]
    return Comparison(float(np.median(differences)) if rows else 0.0, max(owns, default=0.0), len(rows))


def _runner(torch: Any, network: Any) -> Runner:
    """The network as a function of tensors; custom functions that today's PyTorch refuses run as in the export."""

    def run(x: Any) -> Array:
        with torch.no_grad():
            output = network(x)
        first = output[0] if isinstance(output, tuple | list) else output
        return np.asarray(first.detach().numpy(), np.float64)

    def either(x: Any) -> Array:
        with contextlib.suppress(RuntimeError):
            return run(x)
        try:
            with forwards_only(torch):
                return run(x)
        except Exception as error:
            raise NotRunnableError(error) from error

    return either


def _distance(one: Array, truth: Array) -> float:
    """Root mean square difference over the truth's own spread; infinite where the sizes differ."""
    if one.size != truth.size:
        return float("inf")
    truth = truth.reshape(-1)
    spread = float(truth.std()) or float(np.abs(truth).max()) or 1.0
    difference = float(np.sqrt(np.mean((one.reshape(-1).astype(np.float64) - truth) ** 2))) / spread
    return difference if np.isfinite(difference) else float("inf")
