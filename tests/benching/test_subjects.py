"""What a word stands for: a path as it is, a name made once into the cache."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge import inspect_file
from repbnn_edge.benching import subjects
from repbnn_edge.errors import BadInputError, StorageError, UnsupportedError


def test_a_path_is_itself(rep_small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert subjects.resolve(rep_small) == rep_small
    monkeypatch.chdir(tmp_path)
    Path("rep-recu-resnet20").write_bytes(b"a path that exists wins")
    assert subjects.resolve("rep-recu-resnet20") == Path("rep-recu-resnet20")


@pytest.mark.parametrize(
    ("word", "hint"), [("rep-recu-resnet2", "rep-recu-resnet20"), ("mobilenet", "mobilenet-v2-int8")]
)
def test_an_unknown_word_has_the_nearest(word: str, hint: str) -> None:
    with pytest.raises(BadInputError, match=hint):
        subjects.resolve(word)


def test_a_name_is_converted_once_and_without_tensorflow_in_this_process(cache: Path) -> None:
    code = (
        "import json, sys, time; from repbnn_edge.benching import subjects\n"
        "paths = [str(subjects.resolve(name)) for name in ('rep-recu-resnet20', 'builtin:rep-recu-resnet20')]\n"
        "print(json.dumps([paths, [m for m in ('tensorflow', 'larq', 'onnx') if m in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (first, second), heavy = json.loads(done.stdout)
    assert first == second and Path(first).is_relative_to(cache) and heavy == []
    assert inspect_file(first).binary_convolutions == 18


def _fails(monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, code, "", words)

    monkeypatch.setattr(subprocess, "run", run)


def test_a_conversion_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    _fails(monkeypatch, 4, "noise\nerror: larq-compute-engine: no wheel, use another machine\n")
    with pytest.raises(UnsupportedError, match="no wheel"):
        subjects.resolve("rep-birealnet18")
    _fails(monkeypatch, 9, "error: disk: full, free some\n")
    with pytest.raises(StorageError, match="full"):
        subjects.resolve("rep-birealnet18")


def test_a_cache_that_cannot_be_made_is_a_storage_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REPBNN_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(StorageError):
        subjects.resolve("rep-birealnet18")


@pytest.mark.slow
def test_mobilenet_is_int8_throughout() -> None:
    report = inspect_file(subjects.resolve("mobilenet-v2-int8"))
    assert (report.inputs[0].type, report.outputs[0].type) == ("int8", "int8")
    assert report.macs.float == pytest.approx(300.8e6, rel=0.01) and 3.5e6 < report.bytes < 4.5e6
    assert not any(row.op in ("QUANTIZE", "DEQUANTIZE") for row in report.operators)
