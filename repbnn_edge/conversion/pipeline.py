"""``convert``: load, lower, shrink, label, prove, write; in this order, and nothing is written before the proof."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from repbnn_edge import console
from repbnn_edge.conversion import front_ends
from repbnn_edge.conversion.models import source_of_model
from repbnn_edge.conversion.outputs import Outputs, check_outputs, default_output
from repbnn_edge.conversion.source import LoadedSource, LoadOptions
from repbnn_edge.errors import BadInputError, RepbnnError, UnsupportedError, UsageError, VerificationError
from repbnn_edge.files import whole_file, write_whole
from repbnn_edge.reports import (
    BinaryConvolutions,
    ConvertReport,
    CountPair,
    Seconds,
    SourceReport,
    VerificationReport,
)

if TYPE_CHECKING:
    from repbnn_edge.tflite.metadata import Metadata

FloatWeights = Literal["float32", "float16", "int8"]
_PACKAGES = ("repbnn-edge", "larq-compute-engine", "tensorflow", "larq")


class ConversionRefutedError(VerificationError):
    """The file is not the source; nothing was written.

    Attributes:
        report: the whole proof, as ``convert`` would have given it back.
        reported: whether somebody has shown it already.
    """

    reported = False

    def __init__(self, report: ConvertReport, failure: str) -> None:
        super().__init__(report.output, f"verification failed: {failure}", "nothing was written; report it")
        self.report = report


@dataclass(frozen=True)
class ProofOptions:
    """How a file is proven: how many samples, and from which pictures."""

    samples: int = 16
    data: Path | None = None


def convert(
    source: str | Path | Any,
    output: str | Path | None = None,
    *,
    beta: int | None = None,
    weights: str | Path | None = None,
    input_shape: Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    labels: Sequence[str] | None = None,
    float_weights: FloatWeights = "float32",
    float_weights_all: bool = False,
    verify: bool = True,
    samples: int = 16,
    data: str | Path | None = None,
    keras: str | Path | None = None,
    report: str | Path | None = None,
    force: bool = False,
) -> ConvertReport:
    """Convert a binary network into a TFLite flatbuffer with LCE's operators, prove it, and write it.

    Args:
        source: a path, a built-in name, ``file.py:function``, or a built Keras 2 model.
        output: where to write; by default the source's stem and ``.tflite`` in the current folder.
        beta: the repeat factor of a built-in network.
        weights: a weights file for the network.
        input_shape: (1, height, width, channels), where the source leaves it open.
        mean, std: an input is ``(pixel - mean) / std``, pixels 0..255; one number, or one a channel.
        labels: class names, in the order of the outputs.
        float_weights: how the float weights behind the last sign are stored; the binary body stays bit-identical.
        float_weights_all: the same for stem and shortcuts.
        verify: prove the file before it is written.
        samples: how many inputs the proof runs.
        data: pictures for the proof, a folder or file that ``eval`` takes; without it those of this package.
        keras: also write the network as a ``.keras`` file.
        report: also write an HTML page.
        force: replace outputs that exist.

    Raises:
        UsageError: arguments that contradict each other, an output that exists; raised before any work.
        BadInputError: a source that is missing, broken or malicious; NaN or infinity in its weights.
        UnsupportedError: a layer without an exact form; named.
        VerificationError: the file is not the source: nothing is written, and ``error.report`` has the proof.
        StorageError: the disk refuses.
    """
    text = str(source) if isinstance(source, str | Path) else ""
    name = text or str(getattr(source, "name", type(source).__name__))
    outputs = Outputs(
        flatbuffer=Path(output) if output is not None else default_output(name),
        keras=None if keras is None else Path(keras),
        report=None if report is None else Path(report),
    )
    if data is not None and not Path(data).exists():
        raise BadInputError(str(data), "no such file or folder", "check the path")
    if samples < 1:
        raise UsageError("--samples", f"it is {samples}", "give at least 1, or --no-verify")
    check_outputs(text, outputs, force=force)
    options = LoadOptions.of(beta=beta, weights=weights, input_shape=input_shape, mean=mean, std=std, labels=labels)
    run = _Run()
    with run.phase("load", f"loading {name}"):
        loaded = front_ends.load(text, options) if text else source_of_model(source, options)
    with run.phase("convert", "converting"):
        made = build(loaded, float_weights, float_weights_all)
    proof = ProofOptions(samples, None if data is None else Path(data)) if verify else None
    verification = _prove(run, loaded, made, proof)
    if verification is not None:
        if not verification.passed:
            raise _failed(_report(loaded, made, outputs, run, verification), verification)
        made = _with_proof(made, verification)
    result = _report(loaded, made, outputs, run, verification)
    _write(loaded, made, outputs, result, force)
    return result


@dataclass(frozen=True)
class Made:
    """A finished file, not written yet.

    Attributes:
        data: the file.
        binary_layers: how many binary layers of the source are LceBconv2d in it.
        facts: what it says about itself.
    """

    data: bytes
    binary_layers: int
    facts: Metadata


class _Run:
    """What a conversion has taken so far."""

    def __init__(self) -> None:
        self.seconds = {"load": 0.0, "convert": 0.0, "verify": 0.0}

    def phase(self, name: str, what: str) -> Any:
        return _Phase(self.seconds, name, what)


class _Phase:
    def __init__(self, seconds: dict[str, float], name: str, what: str) -> None:
        self._seconds, self._name, self._step = seconds, name, console.step(what)

    def __enter__(self) -> None:
        self._begin = time.perf_counter()
        self._step.__enter__()

    def __exit__(self, *problem: Any) -> None:
        self._step.__exit__(*problem)
        self._seconds[self._name] += time.perf_counter() - self._begin


def build(loaded: LoadedSource, float_weights: FloatWeights = "float32", everywhere: bool = False) -> Made:
    """Lower a loaded source, shrink it and put its facts in; proves nothing and writes nothing.

    Raises:
        BadInputError: NaN or infinity in a layer's weights; labels that do not fit the output.
        UnsupportedError: a layer without an exact form; named.
    """
    from repbnn_edge.lowering import lower_model
    from repbnn_edge.tflite.metadata import Metadata, Normalization, Provenance, write_metadata
    from repbnn_edge.tflite.passes.pipeline import shrink

    lowered = lower_model(loaded.network)
    _check_count(loaded, lowered.binary_layers)
    if not lowered.binary_layers:
        near = f" ({loaded.warnings[0]})" if loaded.warnings else ""
        remedy = "give layers a sign before them and weights of two values, or a quantiser for each"
        raise UnsupportedError(loaded.name, f"no layer in it is binary{near}", remedy)
    preprocessing = loaded.preprocessing
    facts = Metadata(
        name=loaded.name,
        mean=preprocessing.mean if preprocessing else None,
        std=preprocessing.std if preprocessing else None,
        labels=loaded.labels,
        provenance=Provenance(
            source=SourceReport(kind=loaded.kind, name=loaded.name, sha256=loaded.sha256),
            beta=loaded.beta,
            float_weights=float_weights,
            versions={name: _version(name) for name in _PACKAGES},
            corrections=lowered.corrections,
            normalization=Normalization(mean=preprocessing.mean, std=preprocessing.std) if preprocessing else None,
        ),
    )
    data = shrink(lowered.data, float_weights, everywhere=everywhere)
    return Made(data=write_metadata(data, facts), binary_layers=len(lowered.binary_layers), facts=facts)


def _with_proof(made: Made, verification: VerificationReport) -> Made:
    """The file with what was proven of it; only numbers that are the same on every machine, so that its bytes are."""
    from repbnn_edge.tflite.metadata import write_metadata

    proven = verification.model_dump(include={"passed", "binary_layers", "exact_binary_layers", "samples"})
    assert made.facts.provenance is not None
    provenance = made.facts.provenance.model_copy(update={"verification": proven})
    facts = replace(made.facts, provenance=provenance)
    return replace(made, data=write_metadata(made.data, facts), facts=facts)


def _check_count(loaded: LoadedSource, lowered: Sequence[str]) -> None:
    """The reference and the lowering read the source independently; they must have found the same binary layers."""
    found = [layer.name for layer in loaded.reference.binary_layers]
    for name in found:
        if name not in lowered:
            raise UnsupportedError(name, "LCE has no form for a binary layer like it", "see docs/convert.md")
    for name in lowered:
        if name not in found:
            raise RepbnnError(name, "a bug of ours: it was lowered as binary, and is not in the reference", "report it")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _prove(run: _Run, loaded: LoadedSource, made: Made, proof: ProofOptions | None) -> VerificationReport | None:
    if proof is None:
        return None
    from repbnn_edge.verification.proof import check

    with run.phase("verify", f"proving it on {proof.samples} samples"):
        return check(loaded, made.data, samples=proof.samples, data=proof.data)


def _report(
    loaded: LoadedSource, made: Made, outputs: Outputs, run: _Run, verification: VerificationReport | None
) -> ConvertReport:
    counts = loaded.reference.counts()
    return ConvertReport(
        output=str(outputs.flatbuffer),
        bytes=len(made.data),
        source=SourceReport(kind=loaded.kind, name=loaded.name, sha256=loaded.sha256),
        beta=loaded.beta,
        binary_convolutions=BinaryConvolutions(found=len(loaded.reference.binary_layers), binary=made.binary_layers),
        macs=CountPair(**counts["macs"]),
        parameters=CountPair(**counts["parameters"]),
        seconds=Seconds(**run.seconds),
        verification=verification,
        warnings=[*loaded.warnings, *_warnings(loaded)],
    )


def _warnings(loaded: LoadedSource) -> list[str]:
    if loaded.preprocessing is None:
        return ["the file does not say how pixels become inputs: give --mean and --std"]
    return []


def _failed(result: ConvertReport, verification: VerificationReport) -> ConversionRefutedError:
    first = verification.failures[0] if verification.failures else "a check failed"
    if result.source.kind == "onnx" and verification.sign_zeros:
        first += (
            f" ({verification.sign_zeros} exact zeros reached a sign: PyTorch's sign of 0 is 0, which no bit can be)"
        )
    return ConversionRefutedError(result, first)


def _write(loaded: LoadedSource, made: Made, outputs: Outputs, result: ConvertReport, force: bool) -> None:
    """The flatbuffer comes last: where it is, everything is."""
    if outputs.keras is not None:
        with whole_file(outputs.keras, overwrite=force, suffix=".keras") as partial:
            loaded.network.save(partial)
    if outputs.report is not None:
        from repbnn_edge.htmlreport import render
        from repbnn_edge.inspection import inspect_data

        page = render(result, inspect_data(made.data, str(outputs.flatbuffer)))
        write_whole(outputs.report, page.encode(), overwrite=force)
    write_whole(outputs.flatbuffer, made.data, overwrite=force)
