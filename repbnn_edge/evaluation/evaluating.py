"""``evaluate``: decode a chunk of pictures, run it through every runtime, count."""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge import console
from repbnn_edge.conversion import front_ends
from repbnn_edge.datasets import Dataset, open_dataset, to_input
from repbnn_edge.errors import BadInputError, UsageError
from repbnn_edge.evaluation.differences import Causes
from repbnn_edge.evaluation.differences import count as count_causes
from repbnn_edge.evaluation.source_scores import scores_of
from repbnn_edge.files import read_input
from repbnn_edge.reports import EvalDifference, EvalReport, EvalResult
from repbnn_edge.runtime.sessions import Session, open_session
from repbnn_edge.tflite import schema
from repbnn_edge.tflite.metadata import Metadata, read_metadata
from repbnn_edge.verification.reference import Reference

_CHUNK_BYTES = 64 << 20
_ANSWERS_LIMIT = 1 << 30


@dataclass
class _Answers:
    """Where answers come from, what they are, and how long they took."""

    name: str
    version: str = ""
    threads: int = 1
    seconds: float = 0.0
    outputs: list[NDArray[np.float32]] = field(default_factory=list)

    def run(self, inputs: NDArray[np.float32], pool: ThreadPoolExecutor) -> None:
        """Add the answers to a chunk of inputs; those that came in a file are there already."""


@dataclass
class _Source(_Answers):
    """The source, run by its own framework."""

    scores: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None

    def run(self, inputs: NDArray[np.float32], pool: ThreadPoolExecutor) -> None:
        """Run a chunk."""
        assert self.scores is not None
        begin = time.perf_counter()
        self.outputs.append(self.scores(inputs))
        self.seconds += time.perf_counter() - begin


@dataclass
class _Runner(_Answers):
    """One runtime: a session a thread."""

    sessions: list[Session] = field(default_factory=list)

    def run(self, inputs: NDArray[np.float32], pool: ThreadPoolExecutor) -> None:
        """Run a chunk; every session takes each of its samples in turn."""
        results: list[Any] = [None] * len(inputs)

        def work(worker: int) -> None:
            session = self.sessions[worker]
            for index in range(worker, len(inputs), len(self.sessions)):
                session.set_input(inputs[index : index + 1])
                session.invoke()
                results[index] = session.output().reshape(-1)

        begin = time.perf_counter()
        list(pool.map(work, range(len(self.sessions))))
        self.seconds += time.perf_counter() - begin
        self.outputs.append(np.stack(results))


def evaluate(
    file: str | Path,
    data: str | Path,
    *,
    runtimes: Sequence[str] = ("litert",),
    num_threads: int | None = None,
    limit: int | None = None,
    source: str | Path | None = None,
    answers: Sequence[str | Path] = (),
) -> EvalReport:
    """Evaluate a file on labelled pictures.

    Args:
        file: a ``.tflite``; its preprocessing and labels are read from it.
        data: what ``open_dataset`` takes, with labels.
        runtimes: of ``repbnn_edge.runtime.sessions.RUNTIMES``, side by side on the same inputs.
        num_threads: sessions of one thread each; by default one a core.
        limit: use the first pictures only.
        source: what the file was made of, as ``convert`` takes it (an ``.onnx`` is run by onnxruntime): its top-1
            stands beside the runtimes', and where they differ the first bit that does says why.
        answers: ``.npy`` files of scores, float (pictures, classes), from anywhere, PyTorch for instance; counted
            beside the others under the file's name.

    Raises:
        BadInputError: a broken file, source or data set, no labels, labels that the file's output does not have, or
            answers of another shape.
        UnsupportedError: a runtime that cannot run the file.
    """
    content = read_input(Path(file))
    schema.load(content, str(file))  # a broken file is bad input, whatever a runtime would call it
    pictures = open_dataset(Path(data))
    if pictures.labels is None:
        raise BadInputError(str(data), "it has no labels", "put each class into a folder of its own, or add labels")
    if not runtimes or len(set(runtimes)) != len(runtimes):
        raise UsageError("--runtime", "one is named twice, or none", "name each runtime once")
    threads = num_threads or os.cpu_count() or 1
    count = min(len(pictures), limit) if limit is not None else len(pictures)
    if count < 1:
        raise UsageError("--limit", f"it is {limit}", "give at least 1")
    reference = None if source is None else front_ends.load(source).reference
    rows: list[_Answers] = []
    if reference is not None:
        version, scores = scores_of(str(source), reference)
        rows.append(_Source("source", version, scores=scores))
    rows += [_Answers(Path(path).stem, "answers", 0, outputs=[_read_answers(Path(path), count)]) for path in answers]
    runners = [_runner(name, content, threads) for name in runtimes]
    rows += runners
    inputs = _Inputs(pictures, content, runners[0].sessions[0].input_shape)
    _run_all(rows, inputs, count, threads)
    classes = {outputs.shape[1] for row in rows for outputs in row.outputs}
    if len(classes) > 1:
        raise BadInputError(str(data), f"the answers are for {sorted(classes)} classes", "give answers of this network")
    labels = _aligned_labels(pictures, content, classes.pop(), count)
    report = _report(str(file), str(data), rows, labels)
    report = report.model_copy(update={"labels": list(read_metadata(content).labels)})
    if reference is None:
        return report
    return report.model_copy(update={"differences": _differences(rows, inputs, reference, content)})


def _runner(name: str, content: bytes, threads: int) -> _Runner:
    sessions = [open_session(name, content) for _ in range(threads)]
    return _Runner(name, sessions[0].runtime[1], threads, sessions=sessions)


def _read_answers(path: Path, count: int) -> NDArray[np.float32]:
    data = read_input(path, limit=_ANSWERS_LIMIT)
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, SyntaxError) as error:
        raise BadInputError(str(path), f"it is no .npy array ({error})", "write it with numpy.save") from error
    if not isinstance(array, np.ndarray):
        raise BadInputError(str(path), "it is an archive", "write one array with numpy.save")
    if array.ndim != 2 or array.dtype.kind != "f" or len(array) < count:
        have = f"{array.dtype} {list(array.shape)}"
        raise BadInputError(str(path), f"it holds {have}", f"give float scores of {count:,} pictures, a row each")
    return np.asarray(array[:count], np.float32)


@dataclass(frozen=True)
class _Inputs:
    """Pictures as a file's input: (height, width, 3), preprocessed as the file says."""

    pictures: Dataset
    content: bytes
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.shape[3] != 3:
            raise BadInputError(
                "the file", f"its input has {self.shape[3]} channels", "evaluate networks of colour pictures"
            )

    @cached_property
    def _facts(self) -> Metadata:
        return read_metadata(self.content)

    def __call__(self, index: int) -> NDArray[np.float32]:
        """The input of one picture."""
        _, height, width, _ = self.shape
        return to_input(self.pictures.picture(index), height, width, self._facts.mean, self._facts.std)


def _run_all(rows: list[_Answers], inputs: _Inputs, count: int, threads: int) -> None:
    chunk = max(threads, _CHUNK_BYTES // (4 * math.prod(inputs.shape)))
    with ThreadPoolExecutor(threads) as pool, console.progress("evaluating", count) as advance:
        for start in range(0, count, chunk):
            batch = np.stack(list(pool.map(inputs, range(start, min(start + chunk, count)))))
            for row in rows:
                row.run(batch, pool)
            advance(len(batch))


def _differences(rows: list[_Answers], inputs: _Inputs, reference: Reference, content: bytes) -> list[EvalDifference]:
    causes = Causes(reference, content)
    top = [np.concatenate(row.outputs).argmax(1) for row in rows]
    return [
        count_causes(row.name, np.flatnonzero(answer != top[0]).tolist(), inputs, causes)
        for row, answer in zip(rows, top, strict=True)
        if isinstance(row, _Runner)
    ]


def _aligned_labels(pictures: Dataset, content: bytes, classes: int, count: int) -> NDArray[np.int64]:
    """The data set's labels in the file's order: by name where both have names, as they are otherwise."""
    assert pictures.labels is not None
    labels = pictures.labels[:count]
    names = [name.strip().lower() for name in read_metadata(content).labels]
    own = [name.strip().lower() for name in pictures.names]
    if names and own:
        strange = [name for name in own if name not in names]
        if not strange:
            _check_labels(pictures, labels, len(own), "it has names for")
            labels = np.array([names.index(name) for name in own], np.int64)[labels]
        else:
            console.warn(f"{pictures.path}: the file has no class {strange[0]!r}, so labels count as they are")
    _check_labels(pictures, labels, classes, "the file has")
    return labels


def _check_labels(pictures: Dataset, labels: NDArray[np.int64], classes: int, which: str) -> None:
    if labels.min() < 0 or labels.max() >= classes:
        wrong = int(labels.max() if labels.max() >= classes else labels.min())
        why = f"a label is {wrong}, and {which} {classes} classes"
        raise BadInputError(str(pictures.path), why, "give the data of this network")


def _report(file: str, data: str, rows: list[_Answers], labels: NDArray[np.int64]) -> EvalReport:
    answers = [np.concatenate(row.outputs) for row in rows]
    results = [_result(row, outputs, labels) for row, outputs in zip(rows, answers, strict=True)]
    top = np.stack([outputs.argmax(1) for outputs in answers])
    return EvalReport(file=file, data=data, results=results, agreement=float(np.mean((top == top[0]).all(axis=0))))


def _result(row: _Answers, outputs: NDArray[np.float32], labels: NDArray[np.int64]) -> EvalResult:
    classes = outputs.shape[1]
    top1 = outputs.argmax(1)
    best = np.argsort(-outputs, axis=1, kind="stable")[:, : min(5, classes)]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, top1), 1)
    return EvalResult(
        runtime=row.name,
        version=row.version,
        threads=row.threads,
        samples=len(labels),
        top1=float(np.mean(top1 == labels)),
        top5=float(np.mean((best == labels[:, None]).any(axis=1))),
        images_per_second=len(labels) / row.seconds if row.seconds else 0.0,
        confusion=confusion.tolist() if classes <= 100 else None,
    )
