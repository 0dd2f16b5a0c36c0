from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.conversion import front_ends
from repbnn_edge.errors import BadInputError, RepbnnError


class _FrontEnd:
    def __init__(self, kind: str, suffix: str) -> None:
        self.kind, self.suffix = kind, suffix

    def accepts(self, source: str) -> bool:
        return source.endswith(self.suffix)


class _Entry:
    def __init__(self, name: str, suffix: str) -> None:
        self.name, self.value, self.suffix = name, f"fake:{name}", suffix

    def load(self) -> Any:
        return lambda: _FrontEnd(self.name, self.suffix)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    suffixes = {
        "builtin": "",
        "keras": ".keras",
        "savedmodel": "_folder",
        "onnx": ".onnx",
        "python": "?",
        "zzz": ".zzz",
    }
    entries = {name: _Entry(name, suffix) for name, suffix in suffixes.items()}
    monkeypatch.setattr(front_ends, "_entry_points", lambda: entries)
    front_ends._named.cache_clear()
    monkeypatch.chdir(tmp_path)
    yield
    front_ends._named.cache_clear()


def _kind(source: str) -> tuple[str, str]:
    front_end, name = front_ends.resolve(source)
    return front_end.kind, name  # type: ignore[attr-defined]


def test_an_existing_path_goes_to_the_front_end_of_its_kind() -> None:
    Path("a.onnx").write_bytes(b"x")
    Path("net_folder").mkdir()
    Path("b.zzz").write_bytes(b"x")
    assert _kind("a.onnx") == ("onnx", "a.onnx")
    assert _kind("net_folder") == ("savedmodel", "net_folder")
    assert _kind("b.zzz") == ("zzz", "b.zzz")  # another package's


def test_a_path_wins_over_a_builtin_and_the_prefix_forces_the_builtin() -> None:
    assert _kind("rep-net") == ("builtin", "rep-net")
    assert _kind("builtin:rep-net") == ("builtin", "rep-net")
    Path("rep-net").mkdir()
    assert _kind("builtin:rep-net") == ("builtin", "rep-net")
    with pytest.raises(BadInputError, match=r"saved_model\.pb"):
        front_ends.resolve("rep-net")


def test_a_function_of_a_python_file() -> None:
    with pytest.raises(BadInputError, match="no such file"):
        front_ends.resolve("nets.py:build")
    Path("nets.py").write_text("")
    assert _kind("nets.py:build") == ("python", "nets.py:build")
    with pytest.raises(BadInputError, match=r"nets\.py:function"):
        front_ends.resolve("nets.py")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("https://example.org/net.onnx", "curl -LO https://example.org/net.onnx"),
        ("hf:someone/net", "hf download someone/net --local-dir net"),
        ("someone/net-v1.5", "hf download someone/net-v1.5"),
    ],
)
def test_nothing_is_downloaded(source: str, line: str) -> None:
    with pytest.raises(BadInputError) as caught:
        front_ends.resolve(source)
    assert line in caught.value.do


_MISSING = ["missing.onnx", "missing.keras", "", "a/b/c", "./net", "x" * 5000 + ".onnx", "a\0b.h5"]


@pytest.mark.parametrize("source", _MISSING)
def test_a_missing_path_is_said(source: str) -> None:
    with pytest.raises(BadInputError, match="no such file"):
        front_ends.resolve(source)


def test_a_path_in_an_existing_folder_is_no_hub_name() -> None:
    Path("out").mkdir()
    with pytest.raises(BadInputError, match="no such file"):
        front_ends.resolve("out/net")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("w.pth", "onnx.export"), ("w.safetensors", "onnx.export"), ("m.tflite", "inspect"), ("notes.txt", ".onnx")],
)
def test_other_kinds_are_refused_with_what_to_do(name: str, hint: str) -> None:
    Path(name).write_bytes(b"x")
    with pytest.raises(BadInputError) as caught:
        front_ends.resolve(name)
    assert hint in str(caught.value)
    assert Path(name).read_bytes() == b"x"


def test_a_front_end_that_does_not_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(_Entry):
        def load(self) -> Any:
            raise ImportError("no module named 'gone'")

    monkeypatch.setattr(front_ends, "_entry_points", lambda: {"keras": Broken("keras", ".keras")})
    Path("a.keras").write_bytes(b"x")
    with pytest.raises(RepbnnError, match=r"'keras'.*gone"):
        front_ends.resolve("a.keras")


def test_ours_are_registered() -> None:
    import importlib.metadata

    names = {entry.name for entry in importlib.metadata.entry_points(group=front_ends.GROUP)}
    assert {"builtin", "python", "keras", "savedmodel", "onnx"} <= names
