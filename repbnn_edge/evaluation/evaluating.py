"""``evaluate``: decode a chunk of pictures, run it through every runtime, count."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge import console
from repbnn_edge.datasets import Dataset, open_dataset, to_input
from repbnn_edge.errors import BadInputError, UsageError
from repbnn_edge.files import read_input
from repbnn_edge.reports import EvalReport, EvalResult
from repbnn_edge.runtime.sessions import Session, open_session

_CHUNK_BYTES = 64 << 20


@dataclass
class _Runner:
    """One runtime: a session a thread, what they answered, and how long they took."""

    name: str
    sessions: list[Session]
    seconds: float = 0.0
    outputs: list[NDArray[np.float32]] = field(default_factory=list)

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
) -> EvalReport:
    """Evaluate a file on labelled pictures.

    Args:
        file: a ``.tflite``; its preprocessing and labels are read from it.
        data: what ``open_dataset`` takes, with labels.
        runtimes: of ``repbnn_edge.runtime.sessions.RUNTIMES``, side by side on the same inputs.
        num_threads: sessions of one thread each; by default one a core.
        limit: use the first pictures only.

    Raises:
        BadInputError: a broken file or data set, no labels, or labels that the file's output does not have.
        UnsupportedError: a runtime that cannot run the file.
    """
    content = read_input(Path(file))
    pictures = open_dataset(Path(data))
    if pictures.labels is None:
        raise BadInputError(str(data), "it has no labels", "put each class into a folder of its own, or add labels")
    if not runtimes or len(set(runtimes)) != len(runtimes):
        raise UsageError("--runtime", "one is named twice, or none", "name each runtime once")
    threads = num_threads or os.cpu_count() or 1
    count = min(len(pictures), limit) if limit is not None else len(pictures)
    if count < 1:
        raise UsageError("--limit", f"it is {limit}", "give at least 1")
    runners = [_Runner(name, [open_session(name, content) for _ in range(threads)]) for name in runtimes]
    _run_all(runners, content, pictures, count, threads)
    labels = _aligned_labels(pictures, content, runners[0].outputs[0].shape[1], count)
    return _report(str(file), str(data), runners, labels, threads)


def _run_all(runners: list[_Runner], content: bytes, pictures: Dataset, count: int, threads: int) -> None:
    from repbnn_edge.tflite.metadata import read_metadata

    facts = read_metadata(content)
    _, height, width, channels = runners[0].sessions[0].input_shape
    if channels != 3:
        raise BadInputError("the file", f"its input has {channels} channels", "evaluate networks of colour pictures")
    chunk = max(threads, _CHUNK_BYTES // (height * width * 12))

    def decode(index: int) -> NDArray[np.float32]:
        return to_input(pictures.picture(index), height, width, facts.mean, facts.std)

    with ThreadPoolExecutor(threads) as pool, console.progress("evaluating", count) as advance:
        for start in range(0, count, chunk):
            inputs = np.stack(list(pool.map(decode, range(start, min(start + chunk, count)))))
            for runner in runners:
                runner.run(inputs, pool)
            advance(len(inputs))


def _aligned_labels(pictures: Dataset, content: bytes, classes: int, count: int) -> NDArray[np.int64]:
    """The data set's labels in the file's order: by name where both have names, as they are otherwise."""
    from repbnn_edge.tflite.metadata import read_metadata

    assert pictures.labels is not None
    labels = pictures.labels[:count]
    names = [name.strip().lower() for name in read_metadata(content).labels]
    own = [name.strip().lower() for name in pictures.names]
    if names and own and set(own) <= set(names):
        labels = np.array([names.index(name) for name in own], np.int64)[labels]
    if labels.min() < 0 or labels.max() >= classes:
        wrong = int(labels.max() if labels.max() >= classes else labels.min())
        raise BadInputError(
            str(pictures.path),
            f"a label is {wrong}, and the file has {classes} classes",
            "give the data of this network",
        )
    return labels


def _report(file: str, data: str, runners: list[_Runner], labels: NDArray[np.int64], threads: int) -> EvalReport:
    answers = [np.concatenate(runner.outputs) for runner in runners]
    results = [_result(runner, outputs, labels, threads) for runner, outputs in zip(runners, answers, strict=True)]
    top = np.stack([outputs.argmax(1) for outputs in answers])
    return EvalReport(file=file, data=data, results=results, agreement=float(np.mean((top == top[0]).all(axis=0))))


def _result(runner: _Runner, outputs: NDArray[np.float32], labels: NDArray[np.int64], threads: int) -> EvalResult:
    classes = outputs.shape[1]
    top1 = outputs.argmax(1)
    best = np.argsort(-outputs, axis=1, kind="stable")[:, : min(5, classes)]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, top1), 1)
    return EvalResult(
        runtime=runner.name,
        version=runner.sessions[0].runtime[1],
        threads=threads,
        samples=len(labels),
        top1=float(np.mean(top1 == labels)),
        top5=float(np.mean((best == labels[:, None]).any(axis=1))),
        images_per_second=len(labels) / max(runner.seconds, 1e-9),
        confusion=confusion.tolist() if classes <= 100 else None,
    )
