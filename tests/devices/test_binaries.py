"""A board's runtime comes out of its wheel, once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from repbnn_edge.devices import binaries
from repbnn_edge.elf import Elf
from repbnn_edge.errors import DeviceError

GLIBC = ("glibc", (2, 36))


def test_a_boards_runtime_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPBNN_CACHE_DIR", str(tmp_path))
    try:
        library = binaries.board_runtime("linux-aarch64", GLIBC, "board")
    except DeviceError as error:
        pytest.skip(error.why)
    elf = Elf(library.read_bytes())
    assert elf.machine == "aarch64" and library.is_relative_to(tmp_path)
    assert {"TfLiteInterpreterCreate", "TfLiteInterpreterInvoke"} <= {symbol.name for symbol in elf.exports()}
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert binaries.board_runtime("linux-aarch64", GLIBC, "board") == library


def test_without_pip_and_uv_it_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPBNN_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match="neither pip nor uv") as caught:
        binaries.board_runtime("linux-aarch64", GLIBC, "board")
    assert "--runtime-library" in caught.value.do
