"""Accuracy of a file: what is counted, and that every runtime gives the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from repbnn_edge import samples
from repbnn_edge.cli import main
from repbnn_edge.datasets import open_dataset, to_input
from repbnn_edge.errors import BadInputError, UsageError
from repbnn_edge.evaluation import evaluate
from repbnn_edge.runtime.sessions import open_session
from repbnn_edge.tflite.metadata import read_metadata

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "pictures.npz"
    pictures = random.integers(0, 256, (24, 32, 32, 3), np.uint8)
    np.savez(path, images=pictures, labels=random.integers(0, 10, 24))
    return path


def test_the_counts_are_those_of_the_file_run_by_hand(resnet20: Path, data: Path) -> None:
    report = evaluate(resnet20, data, num_threads=2)
    pictures, facts = open_dataset(data), read_metadata(resnet20.read_bytes())
    session = open_session("litert", resnet20.read_bytes())
    logits = []
    for index in range(24):
        session.set_input(to_input(pictures.picture(index), 32, 32, facts.mean, facts.std)[None])
        session.invoke()
        logits.append(session.output()[0])
    assert pictures.labels is not None
    right = np.argmax(logits, 1) == pictures.labels
    ranks = (np.asarray(logits) > np.take_along_axis(np.asarray(logits), pictures.labels[:, None], 1)).sum(1)
    (result,) = report.results
    assert result.top1 == pytest.approx(right.mean())
    assert result.top5 == pytest.approx((ranks < 5).mean())
    assert result.confusion is not None
    assert np.trace(result.confusion) == right.sum()
    assert np.sum(result.confusion) == 24


def test_lce_and_our_delegate_agree(resnet20: Path, data: Path) -> None:
    report = evaluate(resnet20, data, runtimes=("litert", "lce"), limit=12)
    assert report.agreement == 1.0
    assert [result.samples for result in report.results] == [12, 12]
    assert report.results[0].top1 == report.results[1].top1


def test_labels_are_matched_by_name_where_both_have_names(resnet20: Path, tmp_path: Path) -> None:
    with np.load(_named(tmp_path, NAMES[::-1])) as file:
        labels = file["labels"]
    plain, named = tmp_path / "plain.npz", tmp_path / "named.npz"
    pictures = np.random.default_rng(1).integers(0, 256, (len(labels), 32, 32, 3), np.uint8)
    np.savez(plain, images=pictures, labels=9 - labels)
    np.savez(named, images=pictures, labels=labels, label_names=np.array(NAMES[::-1]))
    assert evaluate(resnet20, plain).results[0].confusion == evaluate(resnet20, named).results[0].confusion


def test_classes_that_the_file_does_not_know_are_told(
    resnet20: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "d.npz", images=pictures, labels=[0, 1], label_names=np.array(["cat", "unicorn"]))
    evaluate(resnet20, tmp_path / "d.npz")
    warning = capsys.readouterr().err
    assert "no class 'unicorn'" in warning and "labels count as they are" in warning


def test_the_same_pictures_in_every_form_give_the_same_counts(resnet20: Path, tmp_path: Path) -> None:
    """The package's pictures as JPEGs in folders and in an archive, their pixels in an archive and as CIFAR's."""
    files = [(file.stem.split("-")[1], file.read_bytes()) for file in sorted(samples.FOLDER.glob("[01]-*.jpg"))]
    labels = np.array([NAMES.index(name) for name, _ in files])
    source = open_dataset(samples.FOLDER)
    assert source.file_names[:20] == tuple(file.stem for file in sorted(samples.FOLDER.glob("[01]-*.jpg")))
    pixels = np.stack([source.picture(index) for index in range(20)])
    for index, (name, jpeg) in enumerate(files):
        (tmp_path / "folder" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name / f"{index}.jpg").write_bytes(jpeg)
    np.savez(tmp_path / "pixels.npz", images=pixels, labels=labels)
    offsets = np.cumsum([0, *(len(jpeg) for _, jpeg in files)])
    jpegs = np.frombuffer(b"".join(jpeg for _, jpeg in files), np.uint8)
    np.savez(tmp_path / "jpegs.npz", jpeg=jpegs, offsets=offsets, labels=labels)
    rows = [
        bytes([label]) + picture.transpose(2, 0, 1).tobytes() for label, picture in zip(labels, pixels, strict=True)
    ]
    (tmp_path / "test_batch.bin").write_bytes(b"".join(rows))
    (tmp_path / "batches.meta.txt").write_text("\n".join(NAMES))
    forms = ("folder", "pixels.npz", "jpegs.npz", "test_batch.bin")
    reports = [evaluate(resnet20, tmp_path / form) for form in forms]
    assert len({str(report.results[0].confusion) for report in reports}) == 1
    assert reports[0].results[0].top1 >= 0.5  # by chance: 0.1


def _named(folder: Path, names: list[str]) -> Path:
    path = folder / "names.npz"
    np.savez(path, labels=np.arange(10), label_names=np.array(names))
    return path


def test_what_cannot_be_evaluated_is_refused(resnet20: Path, tmp_path: Path, data: Path) -> None:
    pictures = np.zeros((2, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "wrong.npz", images=pictures, labels=[0, 10])
    np.savez(tmp_path / "none.npz", images=pictures)
    (tmp_path / "cut.tflite").write_bytes(resnet20.read_bytes()[:50_000])
    with pytest.raises(BadInputError, match=r"cut\.tflite"):
        evaluate(tmp_path / "cut.tflite", data)
    with pytest.raises(BadInputError, match="a label is 10"):
        evaluate(resnet20, tmp_path / "wrong.npz")
    with pytest.raises(BadInputError, match="no labels"):
        evaluate(resnet20, tmp_path / "none.npz")
    with pytest.raises(UsageError, match="litert, tflite, lce"):
        evaluate(resnet20, data, runtimes=("bogus",))
    with pytest.raises(UsageError, match="twice"):
        evaluate(resnet20, data, runtimes=("lce", "lce"))


def test_the_command_prints_a_table_or_one_json_object(
    resnet20: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["eval", str(resnet20), "--data", str(data), "--limit", "4", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["schema"] == "repbnn.eval/1"
    assert set(body["results"][0]) >= {"runtime", "threads", "samples", "top1", "top5", "images_per_second"}
    assert body["labels"] == NAMES
    assert main.run(["eval", str(resnet20), "--data", str(data), "--limit", "4"]) == 0
    printed = capsys.readouterr().out
    assert "top-1" in printed
    rows = [line.split() for line in printed.splitlines() if len(line.split()) == 12]
    assert [row[1] for row in rows] == NAMES
    counts = [[0 if cell == "." else int(cell) for cell in row[2:]] for row in rows]
    assert counts == body["results"][0]["confusion"]
