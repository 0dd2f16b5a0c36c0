"""``demo``: the built-in default, converted, proven, run on pictures, and timed beside LCE's interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge import samples
from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.sampling import measure, warm_up
from repbnn_edge.conversion import convert
from repbnn_edge.conversion.source import Preprocessing
from repbnn_edge.datasets import open_dataset
from repbnn_edge.errors import UnsupportedError
from repbnn_edge.files import storage_error
from repbnn_edge.reports import DemoPicture, DemoReport
from repbnn_edge.runtime.sessions import Session, open_session
from repbnn_edge.tflite.metadata import read_metadata

NETWORK = "rep-recu-resnet20"
_LOOK = Effort(num_runs=30, min_secs=0.5, max_secs=3.0)
_ROUNDS = 3


def demonstrate(folder: Path, pictures: int = 8) -> DemoReport:
    """Convert the default network into ``folder``, prove it on real pictures, and run it.

    Raises:
        StorageError: the folder cannot be written.
        UnsupportedError: larq-compute-engine is not available here.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    output = folder / f"{NETWORK}.tflite"
    conversion = convert(f"builtin:{NETWORK}", output, samples=32, force=True)
    data = output.read_bytes()
    sessions = _sessions(data)
    from repbnn_edge.models import list_models

    entry = next(model for model in list_models().models if model.name == NETWORK)
    return DemoReport(
        conversion=conversion,
        float32_bytes=4 * (entry.parameters.binary + entry.parameters.float),
        trained=entry.trained,
        pictures=_classify(sessions[0], data, pictures),
        latency_ms=_latencies(sessions),
        implementation=sessions[0].delegate.implementation if sessions[0].delegate else None,
    )


def _sessions(data: bytes) -> list[Session]:
    """Ours first, where this installation has the delegate; LCE's always."""
    lce = open_session("lce", data)
    try:
        return [open_session("litert", data), lce]
    except UnsupportedError:
        return [lce]


def _classify(session: Session, data: bytes, count: int) -> list[DemoPicture]:
    facts = read_metadata(data)
    dataset = open_dataset(samples.FOLDER)
    _, height, width, channels = session.input_shape
    preprocessing = Preprocessing(facts.mean, facts.std) if facts.mean and facts.std else None
    inputs = samples.load((height, width, channels), count, preprocessing)
    shown = []
    for index, sample in enumerate(inputs):
        session.set_input(sample[None])
        session.invoke()
        scores = _softmax(session.output().reshape(-1).astype(np.float64))
        best = int(scores.argmax())
        truth = dataset.file_names[index].split("-", 1)[1]
        shown.append(DemoPicture(truth=truth, answer=facts.labels[best], score=float(scores[best])))
    return shown


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def _latencies(sessions: Sequence[Session]) -> dict[str, float]:
    """Fastest runs of a short look, in turn: a busy machine slows one runtime's median more than the other's.

    docs/bench.md says how a number to quote is measured.
    """
    times: dict[str, list[float]] = {session.runtime[0]: [] for session in sessions}
    for session in sessions:
        warm_up(session.invoke, least_runs=3)
    for _ in range(_ROUNDS):
        for session in sessions:
            for batch in measure(session.invoke, _LOOK):
                times[session.runtime[0]] += [nanoseconds / 1e6 for nanoseconds in batch]
    return {name: min(values) for name, values in times.items()}


def thumbnail(index: int, columns: int = 20) -> Any:
    """A picture of the package as rich text: two pixels a character, upper and lower half."""
    from PIL import Image
    from rich.text import Text

    picture = Image.fromarray(open_dataset(samples.FOLDER).picture(index))
    pixels = np.asarray(picture.resize((columns, columns), Image.Resampling.BOX))
    text = Text()
    for row in range(0, columns, 2):
        for column in range(columns):
            upper, lower = (_hex(pixels[row + half, column]) for half in (0, 1))
            text.append("▀", style=f"{upper} on {lower}")
        text.append("\n")
    return text


def _hex(pixel: NDArray[np.uint8]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*pixel.tolist())
