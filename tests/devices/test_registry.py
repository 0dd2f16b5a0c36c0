"""devices.toml: written, read back, and refused where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repbnn_edge.cli import main
from repbnn_edge.devices import registry
from repbnn_edge.devices.registry import NamedDevice
from repbnn_edge.errors import BadInputError


def test_what_is_added_is_there(tmp_path: Path) -> None:
    registry.add(NamedDevice("kitchen.pi", "ssh:pi@10.0.0.5", "/mnt/a b", 'Raspberry "Pi"\t5'))
    registry.add(NamedDevice("pixel-1", "adb:1A2B"))
    assert registry.load() == {
        "kitchen.pi": NamedDevice("kitchen.pi", "ssh:pi@10.0.0.5", "/mnt/a b", 'Raspberry "Pi"\t5'),
        "pixel-1": NamedDevice("pixel-1", "adb:1A2B"),
    }
    registry.remove("kitchen.pi")
    assert list(registry.load()) == ["pixel-1"]


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_any_text_survives(text: str) -> None:
    assert registry._parse(f"[a]\nb = {registry._string(text)}\n") == {"a": {"b": text}}


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "host", "adb:1"],
        ["add", "a b", "adb:1"],
        ["add", "-x", "adb:1"],
        ["add", "x", "telnet:1"],
        ["add", "x", "adb:"],
        ["add", "x", "ssh:-oProxyCommand=x"],
        ["add", "x", "adb:1", "--folder", "relative"],
        ["remove", "nothing"],
    ],
)
def test_what_is_refused(arguments: list[str]) -> None:
    assert main.run(["devices", *arguments]) == 2
    assert not registry.path().exists()


@pytest.mark.parametrize(
    "text", ["no toml [", "[x]\nfolder = '/a'", "[x]\ntarget = 3", "[x]\ntarget='adb:1'\nfolder='a'"]
)
def test_a_broken_file_is_an_error_with_its_name(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    registry.path().parent.mkdir()
    registry.path().write_text(text)
    with pytest.raises(BadInputError):
        registry.load()
    assert main.run(["devices", "--json"]) == 3
    assert "devices.toml" in json.loads(capsys.readouterr().out)["error"]["what"]
