"""``--runner`` on devices: somebody else's program is brought there, and what it prints is the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benching.test_foreign import NEW
from tests.devices.calling import CLEAN, bench, codes
from tests.devices.far.adbd import Adbd
from tests.devices.far.sshd import Sshd

Model = Callable[..., Path]
Capture = pytest.CaptureFixture[str]

# As our delegate does, it leaves word of what it took where the option says.
EXPLAINED = '{"version": "9.9", "implementation": "neon", "nodes": [{"claimed": true}], "partitions": 1}'


@pytest.fixture
def tool(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a ``benchmark_model``, which keeps its arguments and then does as it is told."""

    def make(body: str) -> Path:
        path = tmp_path / "benchmark model; reboot"
        path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >/tmp/flags\n{body}\n")
        return path

    return make


SAYS = f"cat <<'end' >&2\n{NEW}\nend\necho '{EXPLAINED}' >explain.json"


def test_a_phone(pixel: Adbd, model: Model, tool: Callable[[str], Path], tmp_path: Path, capsys: Capture) -> None:
    delegate = tmp_path / "librepbnn_delegate.so"
    delegate.write_bytes(b"\x7fELF stand-in")
    pixel.system.add_command("taskset", 'echo "$1" >/tmp/mask; shift; exec "$@"')
    flags = ["--delegate", str(delegate), "--delegate-option", "threads=3", "--cores", "1"]
    code, body, err = bench(capsys, model(), "pixel", "--runner", str(tool(SAYS)), *flags)
    assert code == 0, err
    (row,) = body["results"]
    assert (row["runs"], row["samples_ms"], row["runtime"]["name"]) == (128, [], "benchmark model; reboot")
    assert row["delegate"]["implementation"] == "neon" and row["delegate"]["nodes_delegated"] == 1
    assert "emulated" in codes(body) and row["latency_ms"] is None
    said = (pixel.system.root / "tmp/flags").read_text()
    graph, library = (said.partition(f"--{name}=")[2].splitlines()[0] for name in ("graph", "external_delegate_path"))
    assert graph.startswith("/data/local/tmp/repbnn-edge/cache/") and library.startswith("/data/local/tmp/repbnn-edge/")
    assert "--external_delegate_options=threads:3" in said
    assert (pixel.system.root / "tmp/mask").read_text().strip() == "1"
    assert pixel.system.settle(3) == {}
    assert pixel.system.ours() == CLEAN


def test_a_board(board: Sshd, model: Model, tool: Callable[[str], Path], capsys: Capture) -> None:
    code, body, err = bench(capsys, model(), "ssh:board", "--runner", str(tool(SAYS)))
    assert code == 0, err
    assert body["results"][0]["runs"] == 128
    assert "external_delegate_path" not in (board.far.root / "tmp/flags").read_text()


def test_operators_that_the_delegate_left_to_lces_own_tool_are_named(
    pixel: Adbd, model: Model, tool: Callable[[str], Path], tmp_path: Path, capsys: Capture
) -> None:
    left = '{"node": 7, "op": "LceBconv2d", "claimed": false, "reason": "a padding of tomorrow"}'
    explained = EXPLAINED.replace('{"claimed": true}', f'{{"claimed": true}}, {left}')
    delegate = tmp_path / "librepbnn_delegate.so"
    delegate.write_bytes(b"\x7fELF stand-in")
    says = tool(SAYS.replace(EXPLAINED, explained))
    code, body, err = bench(capsys, model(), "pixel", "--runner", str(says), "--delegate", str(delegate))
    assert code == 0, err
    (reason,) = [r for r in body["results"][0]["verdict"]["reasons"] if r["code"] == "not_delegated"]
    assert reason["detail"] == "operator 7 LceBconv2d: a padding of tomorrow"
    assert body["results"][0]["runs"] == 128


def test_its_last_words_are_told(pixel: Adbd, model: Model, tool: Callable[[str], Path], capsys: Capture) -> None:
    failing = tool("echo 'ERROR: Failed to load delegate'; exit 3")
    code, body, _ = bench(capsys, model(), "pixel", "--runner", str(failing))
    assert code == 6
    assert codes(body)[0] == "runner_failed"
    assert "Failed to load delegate" in body["results"][0]["verdict"]["reasons"][0]["detail"]


def test_the_device_keeps_its_deadline(pixel: Adbd, model: Model, tool: Callable[[str], Path], capsys: Capture) -> None:
    code, body, _ = bench(capsys, model(), "pixel", "--runner", str(tool("exec sleep 1000")), "--timeout", "2")
    assert (code, codes(body)[:1]) == (7, ["timed_out"])
    assert pixel.system.settle(5) == {}
