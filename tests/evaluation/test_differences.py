"""Where answers differ, the cause is the first bit that does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repbnn_edge import samples
from repbnn_edge.cli import main
from repbnn_edge.conversion import front_ends
from repbnn_edge.errors import BadInputError
from repbnn_edge.evaluation import evaluate
from repbnn_edge.evaluation.differences import Causes, count
from repbnn_edge.verification.reference import Floats

PICTURES = 6


@pytest.fixture(scope="module")
def source() -> Any:
    return front_ends.load("builtin:rep-recu-resnet20")


@pytest.fixture(scope="module")
def pictures(source: Any) -> Floats:
    return samples.load((32, 32, 3), PICTURES, source.preprocessing)


class Altered:
    """A source whose values before one sign are others than they were."""

    def __init__(self, own: Any, change: Callable[[Floats], None] | None) -> None:
        self.input_shape, self.binary_layers = own.input_shape, own.binary_layers
        self._own, self._change = own, change

    def run(self, batch: Floats) -> Mapping[str, Floats]:
        taps = dict(self._own.run(batch))
        if self._change is not None:
            name = self.binary_layers[7].sign_input
            taps[name] = taps[name].copy()
            self._change(taps[name])
        return taps


def _a_negative_becomes(value: float) -> Callable[[Floats], None]:
    def change(tap: Floats) -> None:
        place = np.unravel_index(np.argmax(tap < 0), tap.shape)
        tap[place] = value

    return change


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (None, "output"),
        (_a_negative_becomes(0.0), "tie"),
        (_a_negative_becomes(1e-7), "rounding"),
        (_a_negative_becomes(0.5), "unexplained"),
    ],
)
def test_the_first_bit_that_differs_says_why(
    source: Any, resnet20: Path, pictures: Floats, change: Any, cause: str
) -> None:
    causes = Causes(Altered(source.reference, change), resnet20.read_bytes())
    row = count("lce", [1, 4], lambda index: pictures[index], causes)
    assert row.pictures == 2
    assert getattr(row, cause) == 2
    assert row.tie + row.rounding + row.output + row.unexplained == 2


@pytest.fixture
def data(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", images=random.integers(0, 256, (9, 32, 32, 3), np.uint8), labels=np.arange(9))
    return tmp_path / "d.npz"


def test_source_answers_and_runtimes_stand_side_by_side(resnet20: Path, data: Path, tmp_path: Path) -> None:
    scores = np.zeros((9, 10), np.float32)
    scores[np.arange(9), np.arange(9)] = 1
    scores[8] = scores[7]
    np.save(tmp_path / "torch.npy", scores)
    report = evaluate(
        resnet20, data, runtimes=("litert", "lce"), source="rep-recu-resnet20", answers=[tmp_path / "torch.npy"]
    )
    assert [row.runtime for row in report.results] == ["source", "torch", "litert", "lce"]
    assert report.results[1].top1 == pytest.approx(8 / 9)
    assert [(row.runtime, row.unexplained) for row in report.differences] == [("litert", 0), ("lce", 0)]
    assert report.results[0].top1 == report.results[2].top1


@pytest.mark.parametrize("array", [np.zeros((4, 10), np.float32), np.zeros(9), np.zeros((9, 10), np.int32), None])
def test_answers_of_another_shape_are_refused(resnet20: Path, data: Path, tmp_path: Path, array: Any) -> None:
    path = tmp_path / "answers.npy"
    if array is None:
        path.write_bytes(b"\x93NUMPY broken")
    else:
        np.save(path, array)
    with pytest.raises(BadInputError, match=r"answers\.npy"):
        evaluate(resnet20, data, answers=[path])


def test_answers_for_other_classes_are_refused(resnet20: Path, data: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((9, 7), np.float32))
    with pytest.raises(BadInputError, match="7, 10"):
        evaluate(resnet20, data, answers=[tmp_path / "a.npy"])


def test_the_command_says_what_differs(resnet20: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["eval", str(resnet20), "--data", str(data), "--limit", "3", "--source", "rep-recu-resnet20"]
    assert main.run(arguments) == 0
    printed = capsys.readouterr().out
    assert "source" in printed
    assert "litert: the source's top-1 on every picture" in printed or "litert: another top-1" in printed
