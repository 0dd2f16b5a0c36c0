from __future__ import annotations

import os
from pathlib import Path

import pytest

from repbnn_edge.conversion.outputs import Outputs, check_outputs, default_output
from repbnn_edge.errors import StorageError, UsageError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("rep-net-v1.5", "rep-net-v1.5.tflite"),
        ("builtin:rep-net", "rep-net.tflite"),
        ("nets/zoo.py:quick", "quick.tflite"),
        ("sub/net.keras", "net.tflite"),
        ("sub/saved.v2", "saved.v2.tflite"),
        (".", "here.tflite"),
    ],
)
def test_the_default_output_is_the_stem_here(source: str, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("here/sub/saved.v2").mkdir(parents=True)
    Path("here/sub/net.keras").write_bytes(b"x")
    monkeypatch.chdir("here")
    assert default_output(source) == Path(output)


def test_an_output_that_exists_is_refused_without_force() -> None:
    Path("net.tflite").write_bytes(b"old")
    with pytest.raises(UsageError, match="it exists"):
        check_outputs("a.keras", Outputs(Path("net.tflite")), force=False)
    check_outputs("a.keras", Outputs(Path("net.tflite")), force=True)
    assert Path("net.tflite").read_bytes() == b"old"


def test_a_dangling_link_is_an_output_that_exists() -> None:
    Path("net.tflite").symlink_to("nowhere")
    with pytest.raises(UsageError, match="it exists"):
        check_outputs("a.keras", Outputs(Path("net.tflite")), force=False)


@pytest.mark.parametrize("source", ["net.keras", "net.py:build"])
def test_the_source_is_never_an_output_even_by_another_name(source: str) -> None:
    file = Path(source.split(":")[0])
    file.write_bytes(b"x")
    os.link(file, "hard")
    Path("soft").symlink_to(file)
    for name in (file, Path("hard"), Path("soft"), Path("../") / Path.cwd().name / file):
        with pytest.raises(UsageError, match="it is the source"):
            check_outputs(source, Outputs(name), force=True)


def test_nothing_is_written_into_a_source_folder() -> None:
    Path("saved/assets").mkdir(parents=True)
    with pytest.raises(UsageError, match="inside the source"):
        check_outputs("saved", Outputs(Path("saved/assets/net.tflite")), force=True)


def test_two_outputs_need_two_names() -> None:
    with pytest.raises(UsageError, match="same name"):
        check_outputs("a", Outputs(Path("x.keras"), keras=Path("./x.keras")), force=False)


def test_a_keras_output_ends_in_keras() -> None:
    with pytest.raises(UsageError, match=r"\.keras"):
        check_outputs("a", Outputs(Path("x.tflite"), keras=Path("x.h5")), force=False)


def test_a_folder_is_no_output_and_a_missing_one_holds_none() -> None:
    Path("folder").mkdir()
    with pytest.raises(UsageError, match="folder"):
        check_outputs("a", Outputs(Path("folder")), force=True)
    with pytest.raises(StorageError, match="no folder"):
        check_outputs("a", Outputs(Path("missing/net.tflite")), force=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_unwritable_folder_is_found_before_any_work() -> None:
    Path("locked").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="permission denied"):
        check_outputs("a", Outputs(Path("locked/net.tflite")), force=False)


def test_an_unwritable_folder_is_found_even_by_root() -> None:
    with pytest.raises(StorageError):
        check_outputs("a", Outputs(Path("/proc/net.tflite")), force=False)
