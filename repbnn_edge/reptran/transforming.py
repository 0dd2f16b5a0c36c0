"""RepTran from a source to a ``.keras`` file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from repbnn_edge import stack
from repbnn_edge.errors import UnsupportedError, UsageError
from repbnn_edge.files import output_exists, write_whole
from repbnn_edge.reports import SourceReport
from repbnn_edge.reptran.kinds import known_class
from repbnn_edge.reptran.report import TransformReport, count_pairs, ops, rows
from repbnn_edge.reptran.widening import Widened, widen


def transform(
    source: Any, beta: int, output: str | Path | None = None, *, force: bool = False, seed: int | None = None
) -> TransformReport:
    """Turn a binary neural network into its Rep-BNN, and say what changed.

    Args:
        source: whatever ``convert`` takes that has layers: a ``.keras`` or ``.h5`` file, a built-in name (taken at
            beta 1), ``file.py:function``; or a Keras model.
        beta: the repeat factor.
        output: the ``.keras`` file to write; None writes nothing.
        force: replace ``output`` if it exists.
        seed: makes the fresh weights repeatable, by seeding Keras' (and so Python's and numpy's) generators.

    Raises:
        UsageError: beta below 1; an output that is no ``.keras`` file, exists, or is the source.
        BadInputError: the source is missing, broken or malicious.
        UnsupportedError: the source has no layers (a SavedModel, an ONNX file), or one that no rule covers.
        StorageError: the disk refuses.
    """
    path = Path(output) if output is not None else None
    _check_output(path, source, force)
    network, provenance, warnings = _load(source)
    if seed is not None:
        stack.tensorflow().keras.utils.set_random_seed(seed)
    widened = widen(network, beta)
    size = _write(widened.model, path, force) if path else None
    return _report(widened, provenance, [*warnings, *_warnings(widened)], path, size)


def _load(source: Any) -> tuple[Any, SourceReport | None, list[str]]:
    if not isinstance(source, str | Path):
        return source, None, []
    from repbnn_edge.conversion import front_ends
    from repbnn_edge.conversion.source import LoadOptions

    loaded = front_ends.load(source)
    if loaded.kind == "builtin" and loaded.beta != 1:  # without a word, built-in networks are Rep-BNNs already
        loaded = front_ends.load(source, LoadOptions(beta=1))
    provenance = SourceReport(kind=loaded.kind, name=loaded.name, sha256=loaded.sha256)
    if loaded.kind in ("savedmodel", "onnx"):
        kind = "a SavedModel" if loaded.kind == "savedmodel" else "an ONNX file"
        raise UnsupportedError(
            loaded.name, f"{kind} is a graph without layers that RepTran could change", "give the Keras model as .keras"
        )
    return loaded.network, provenance, list(loaded.warnings)


def _check_output(path: Path | None, source: Any, force: bool) -> None:
    if path is None:
        return
    if path.suffix != ".keras":
        raise UsageError(str(path), "a transformed network is written as .keras", "give a name that ends in .keras")
    if isinstance(source, str | Path) and path.exists() and Path(source).exists() and path.samefile(source):
        raise UsageError(str(path), "it is the source", "give another name with -o")
    if path.exists() and not force:
        raise output_exists(path)


def _write(model: Any, path: Path, force: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="repbnn-") as folder:
        whole = Path(folder) / "model.keras"
        model.save(whole)
        data = whole.read_bytes()
    write_whole(path, data, overwrite=force)
    return len(data)


def _warnings(widened: Widened) -> list[str]:
    found = []
    if fresh := _fresh(widened):
        found.append(f"{len(fresh)} layers changed shape and start with fresh weights: train the network again")
    found += [
        f"the output {tap} is {widened.beta} times as wide: no fully connected layer ends the network"
        for tap in widened.wide_outputs
    ]
    repeating = (node.layer for node in widened.before.nodes if known_class(node) in ("RepConv2D", "RepDense"))
    if widened.beta > 1 and (rep := sorted({layer.beta for layer in repeating if layer.beta > 1})):
        now = ", ".join(str(beta * widened.beta) for beta in rep)
        found.append(f"the source is a Rep-BNN of beta {', '.join(map(str, rep))} already: its layers now have {now}")
    return found


def _fresh(widened: Widened) -> list[str]:
    return [name for name, change in widened.changes.items() if change.weights == "fresh"]


def _report(
    widened: Widened, source: SourceReport | None, warnings: list[str], path: Path | None, size: int | None
) -> TransformReport:
    macs, parameters = count_pairs(widened)
    return TransformReport(
        source=source,
        output=str(path) if path else None,
        bytes=size,
        beta=widened.beta,
        binary_layers=len(widened.regions.binary),
        layers=rows(widened),
        macs=macs,
        parameters=parameters,
        ops=(ops(macs.before), ops(macs.after)),
        fresh_layers=_fresh(widened),
        repeated=list(widened.repeated),
        last_layers=sorted(widened.regions.last),
        warnings=warnings,
    )
