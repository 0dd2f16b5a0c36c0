"""The proof of a file: sample pictures, the checks of layers, and what the file says of its own preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from repbnn_edge import samples as pictures
from repbnn_edge.reports import VerificationReport
from repbnn_edge.samples import Normalisation
from repbnn_edge.tflite.metadata import read_metadata
from repbnn_edge.verification.checking import check_file
from repbnn_edge.verification.reference import Reference


class Source(Protocol):
    """What is proven against: ``repbnn_edge.conversion.source.LoadedSource`` is one."""

    @property
    def reference(self) -> Reference:
        """Runs the source."""

    @property
    def preprocessing(self) -> Normalisation | None:
        """What the source knows of it."""


def check(source: Source, file: bytes, *, samples: int = 16, data: Path | None = None) -> VerificationReport:
    """Prove or refute that a file is its source.

    Args:
        source: the source, loaded.
        file: its bytes.
        samples: how many pictures to run.
        data: where they come from; None: those of this package.

    Raises:
        UsageError: more samples than there are.
        BadInputError: the file or the pictures are broken.
    """
    batch = pictures.load(source.reference.input_shape, samples, source.preprocessing, data)
    equal = preprocessing_equal(source.preprocessing, file)
    return check_file(source.reference, file, batch, preprocessing_equal=equal)


def preprocessing_equal(known: Normalisation | None, file: bytes) -> bool:
    """Whether a file says of its preprocessing what the source says.

    A file without any metadata, as LCE alone writes it, says nothing and contradicts nothing; one of ours must say
    it.
    """
    facts = read_metadata(file)
    if facts.mean is None or facts.std is None:
        return known is None or facts.provenance is None
    return known is not None and _same(facts.mean, known.mean) and _same(facts.std, known.std)


def _same(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two lists of numbers say the same in float32; one number alone stands for all channels."""
    width = max(len(one), len(other))
    if not {len(one), len(other)} <= {1, width}:
        return False
    mine, theirs = (np.broadcast_to(np.asarray(numbers, np.float32), (width,)) for numbers in (one, other))
    return bool(np.array_equal(mine, theirs))
