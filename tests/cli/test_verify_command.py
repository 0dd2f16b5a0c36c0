"""``repbnn-edge verify``: proven is 0, refuted is 5 with the whole report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repbnn_edge.cli.main import run
from repbnn_edge.lowering import lower_model
from tests.verification import corruption, networks


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A source, its file, and the file with one weight wrong."""
    folder = tmp_path_factory.mktemp("pair")
    network = networks.same_zero()
    network.save(folder / "net.keras")
    data = lower_model(network).data
    (folder / "net.tflite").write_bytes(data)
    output = corruption.bconvs(data)[1].output
    broken = corruption.corrupt(data, output, corruption.one_weight, np.random.default_rng(0))
    (folder / "broken.tflite").write_bytes(broken)
    return folder / "net.keras", folder / "net.tflite", folder / "broken.tflite"


def body(capsys: Any) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_right_file_is_exit_0(pair: tuple[Path, Path, Path], capsys: Any) -> None:
    assert run(["verify", str(pair[0]), str(pair[1]), "--samples", "3", "--json"]) == 0
    report = body(capsys)
    assert report["schema"] == "repbnn.verify/1"
    assert report["verification"]["passed"] is True
    assert report["verification"]["samples"] == 3
    assert report["binary_convolutions"] == {"found": 3, "binary": 3}


def test_a_wrong_file_is_exit_5_with_the_whole_report(pair: tuple[Path, Path, Path], capsys: Any) -> None:
    assert run(["verify", str(pair[0]), str(pair[2]), "--samples", "2", "--json"]) == 5
    proof = body(capsys)["verification"]
    assert proof["passed"] is False
    assert proof["exact_binary_layers"] == 2
    assert any("second" in failure for failure in proof["failures"])


def test_a_wrong_file_is_one_line_on_stderr_that_names_the_layer(pair: tuple[Path, Path, Path], capsys: Any) -> None:
    assert run(["verify", str(pair[0]), str(pair[2]), "--samples", "2"]) == 5
    printed = capsys.readouterr()
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "second" in errors[0]
    assert "refuted" in printed.out


@pytest.mark.parametrize(("file", "code"), [("missing.tflite", 3), ("net.keras", 3)])
def test_a_file_that_is_none_is_exit_3(pair: tuple[Path, Path, Path], file: str, code: int, capsys: Any) -> None:
    assert run(["verify", str(pair[0]), str(pair[0].parent / file), "--json"]) == code
    assert body(capsys)["error"]["code"] == code


def test_too_many_samples_are_exit_2(pair: tuple[Path, Path, Path], capsys: Any) -> None:
    assert run(["verify", str(pair[0]), str(pair[1]), "--samples", "1000"]) == 2
    assert run(["verify", str(pair[0]), str(pair[1]), "--samples", "0"]) == 2
