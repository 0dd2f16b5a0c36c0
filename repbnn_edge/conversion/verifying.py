"""``verify``: proves or refutes that a file, whoever made it, is a source."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repbnn_edge import console
from repbnn_edge.conversion import front_ends
from repbnn_edge.conversion.models import source_of_model
from repbnn_edge.conversion.source import LoadOptions
from repbnn_edge.files import read_input
from repbnn_edge.reports import BinaryConvolutions, ConvertReport, CountPair, Seconds, SourceReport, VerificationReport


def verify(
    source: str | Path | Any,
    file: str | Path,
    *,
    beta: int | None = None,
    weights: str | Path | None = None,
    input_shape: Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    labels: Sequence[str] | None = None,
    samples: int = 16,
    data: str | Path | None = None,
) -> ConvertReport:
    """Prove or refute that a TFLite file computes what its source says; see docs/verify.md.

    Args:
        source: as ``convert`` takes it: a path, a built-in name, ``file.py:function``, or a built Keras 2 model.
        file: the ``.tflite`` file, made by ``convert`` or by LCE alone.
        beta, weights, input_shape, mean, std, labels: as for ``convert``.
        samples: how many pictures to run.
        data: the pictures, a folder or file that ``eval`` takes; by default those of this package.

    Returns:
        the report; ``verification.passed`` is the verdict, ``verification.failures`` names what is wrong.

    Raises:
        UsageError: arguments that contradict each other.
        BadInputError: a source or file that is missing, broken or malicious.
        UnsupportedError: a source or file that is understood and cannot be judged.
    """
    path = Path(file)
    content = read_input(path)
    options = LoadOptions.of(beta=beta, weights=weights, input_shape=input_shape, mean=mean, std=std, labels=labels)
    begin = time.perf_counter()
    with console.step("loading the source"):
        is_name = isinstance(source, str | Path)
        loaded = front_ends.load(source, options) if is_name else source_of_model(source, options)
    loading = time.perf_counter() - begin
    from repbnn_edge.verification.proof import check

    with console.step(f"proving {path} on {samples} samples"):
        proof = check(loaded, content, samples=samples, data=None if data is None else Path(data))
    counts = loaded.reference.counts()
    return ConvertReport(
        output=str(path),
        bytes=len(content),
        source=SourceReport(kind=loaded.kind, name=loaded.name, sha256=loaded.sha256),
        beta=loaded.beta,
        binary_convolutions=BinaryConvolutions(found=proof.binary_layers, binary=_binary(proof)),
        macs=CountPair(**counts["macs"]),
        parameters=CountPair(**counts["parameters"]),
        seconds=Seconds(load=loading, convert=0.0, verify=time.perf_counter() - begin - loading),
        verification=proof,
        warnings=loaded.warnings,
    )


def _binary(proof: VerificationReport) -> int:
    """How many binary layers of the source some LceBconv2d of the file computes, right or wrong."""
    return sum(row.binary and row.elements > 0 for row in proof.layers)
