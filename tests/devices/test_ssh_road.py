"""bench and devices over the real ssh client and a real sshd."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from repbnn_edge.cli import main
from tests.devices.calling import CLEAN, bench, codes, start_bench
from tests.devices.conftest import MakeSystem
from tests.devices.far.sshd import Sshd
from tests.devices.far.system import FarSystem
from tests.devices.test_adb_faults import HOSTILE, wait_for

Model = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[list[str]]:
    """A stand-in for a board's runtime, as the user gives it."""
    path = tmp_path / "libLiteRt.so"
    path.write_bytes(b"\x7fELF stand-in")
    yield ["--runtime-library", str(path)]


def running(far: FarSystem) -> bool:
    return any("--model" in line for line in far.processes().values())


def test_the_whole_road_over_one_connection(board: Sshd, model: Model, library: list[str], capsys: Capture) -> None:
    code, body, err = bench(capsys, model(), "ssh:board", "--repeats", "2", *library)
    assert code == 0, err
    (row,) = body["results"]
    assert row["runs"] == 50
    assert (row["device"]["transport"], row["device"]["abi"]) == ("ssh", "linux-aarch64")
    assert row["device"]["libc"].startswith("glibc 2.")
    assert board.far.ours("/home/far/.cache") == CLEAN
    assert board.far.settle(3) == {}
    assert board.log().count("Accepted publickey") == 1
    assert "sftp" not in board.log()
    # A second bench pushes nothing.
    stamps = _stamps(board)
    assert bench(capsys, model(), "ssh:board", *library)[0] == 0
    assert _stamps(board) == stamps


def _stamps(board: Sshd) -> dict[str, int]:
    cache = next((board.far.root / "home/far/.cache").glob("repbnn-edge*/cache"))
    return {path.name: path.stat().st_ino for path in cache.iterdir()}


def test_the_abi_is_the_userlands(board: Sshd, model: Model, capsys: Capture) -> None:
    board.far.add_command("getconf", "[ $1 = LONG_BIT ] && echo 32 || exec /usr/bin/getconf $1")
    code, body, _ = bench(capsys, model(), "ssh:board")
    assert code == 6
    assert "linux-armhf" in body["error"]["why"]


@pytest.mark.parametrize(
    ("libc", "said"),
    [("glibc 2.24", "our runner needs 2.27"), ("glibc 2.28", "ai-edge-litert 2.1.0 needs 2.30")],
)
def test_a_c_library_that_is_too_old(
    board: Sshd, binaries: Path, model: Model, capsys: Capture, libc: str, said: str
) -> None:
    board.far.add_command("getconf", f"[ $1 = GNU_LIBC_VERSION ] && echo {libc} || exec /usr/bin/getconf $1")
    (binaries / "linux-aarch64" / "libtensorflowlite_jni.so").unlink()
    code, _, err = bench(capsys, model(), "ssh:board")
    assert code == 6
    assert said in err


def test_musl_is_said(board: Sshd, model: Model, capsys: Capture) -> None:
    board.far.add_command("getconf", "case $1 in GNU*) exit 1;; *) exec /usr/bin/getconf $1;; esac")
    board.far.add_command("ls", "case $1 in /lib/ld-musl*) echo /lib/ld-musl-aarch64.so.1;; *) exec /bin/ls $@;; esac")
    code, body, _ = bench(capsys, model(), "ssh:board")
    assert code == 6
    assert "musl" in body["error"]["why"]


def test_a_home_where_nothing_may_run_falls_to_the_next(
    make_system: MakeSystem, make_board: Callable[[FarSystem], Sshd], model: Model, library: list[str], capsys: Capture
) -> None:
    far = make_system(extra_setup='mount -o remount,noexec "$r/home/far"')
    make_board(far)
    code, _, err = bench(capsys, model(), "ssh:board", *library)
    assert code == 0, err
    assert far.ours("/home/far/.cache") == []
    assert far.ours("/var/tmp") == CLEAN


def test_the_users_cache_folder_comes_first(
    make_system: MakeSystem, make_board: Callable[[FarSystem], Sshd], model: Model, library: list[str], capsys: Capture
) -> None:
    far = make_system(environment={"XDG_CACHE_HOME": "/home/far/my cache"})
    make_board(far)
    code, _, err = bench(capsys, model(), "ssh:board", *library)
    assert code == 0, err
    assert far.ours("/home/far/my cache") == CLEAN
    assert far.ours("/home/far/.cache") == []


def test_somebody_elses_folder_in_tmp_is_not_used(
    make_system: MakeSystem, make_board: Callable[[FarSystem], Sshd], model: Model, library: list[str], capsys: Capture
) -> None:
    far = make_system(extra_setup='mount -o remount,noexec "$r/home/far"; mount -o remount,noexec "$r/var/tmp"')
    make_board(far)
    (far.root / "tmp/elsewhere").mkdir()
    (far.root / "tmp/repbnn-edge-0").symlink_to("/tmp/elsewhere")
    code, body, _ = bench(capsys, model(), "ssh:board", *library)
    assert code == 6
    assert "another user's" in body["error"]["why"]
    assert list((far.root / "tmp/elsewhere").iterdir()) == []


def test_a_host_key_that_is_not_known_is_never_accepted(board: Sshd, model: Model, capsys: Capture) -> None:
    (board.folder / "known_hosts").write_text("")
    code, body, _ = bench(capsys, model(), "ssh:board")
    assert code == 6
    assert "host key" in body["error"]["why"]
    assert (board.folder / "known_hosts").read_text() == ""


def test_a_board_that_wants_a_password(board: Sshd, model: Model, capsys: Capture) -> None:
    (board.folder / "authorized_keys").write_text("")
    code, body, _ = bench(capsys, model(), "ssh:board")
    assert code == 6
    assert body["error"]["do"] == "run `ssh-copy-id board` once"


def test_nothing_listens(board: Sshd, model: Model, capsys: Capture) -> None:
    board.close()
    began = time.monotonic()
    code, body, _ = bench(capsys, model(), "ssh:board")
    assert code == 6
    assert "nothing listens" in body["error"]["why"]
    assert time.monotonic() - began < 6


@pytest.mark.parametrize("word", ["ssh:-oProxyCommand=touch pwned", "ssh:a;b", "ssh:$(x)@y", "ssh:", "ssh:a b"])
def test_words_that_are_no_host(model: Model, capsys: Capture, word: str) -> None:
    code, _, _ = bench(capsys, model(), word)
    assert code == 2


def test_nothing_runs_on_when_bench_is_killed(board: Sshd, model: Model, library: list[str]) -> None:
    board.far.behave("hang")
    process = start_bench(model(), "ssh:board", "--timeout", "30", *library)
    wait_for(lambda: running(board.far), 60)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert board.far.settle(5) == {}
    assert board.far.ours("/home/far/.cache") == CLEAN


def test_ctrl_c(board: Sshd, model: Model, library: list[str]) -> None:
    board.far.behave("drip")
    process = start_bench(model(), "ssh:board", *library)
    wait_for(lambda: running(board.far), 60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert json.loads(out)["interrupted"] is True
    assert board.far.settle(5) == {}
    assert board.far.ours("/home/far/.cache") == CLEAN


def test_the_connection_ends_in_mid_run(board: Sshd, model: Model, library: list[str]) -> None:
    board.far.behave("drip")
    process = start_bench(model(), "ssh:board", *library)
    wait_for(lambda: running(board.far), 60)
    board.cut()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 6, err
    assert "device_lost" in codes(json.loads(out))
    assert board.far.settle(5) == {}
    assert board.far.ours("/home/far/.cache") == CLEAN


@pytest.mark.parametrize("named", ["model", "hostname"])
def test_nothing_is_executed_from_names(
    board: Sshd, model: Model, library: list[str], capsys: Capture, tmp_path: Path, named: str
) -> None:
    """The board says who it is by its device tree, or, without one, by its host name."""
    says = f"*/{named}) exec /bin/cat /far-bin/name;; */model|*/product_name) exit 1"
    board.far.add_command("cat", f'case $1 in {says};; *) exec /bin/cat "$@";; esac')
    board.far.write("/far-bin/name", HOSTILE)
    config = tmp_path / "config"
    config.mkdir()
    folder = f"/home/far/{HOSTILE}"
    (config / "devices.toml").write_text(
        f'[{json.dumps(HOSTILE)}]\ntarget = "ssh:board"\nfolder = {json.dumps(folder)}\n'
    )
    code, body, err = bench(capsys, model(HOSTILE + ".tflite"), HOSTILE, *library)
    assert code == 0, err
    assert "pwned" in body["results"][0]["device"]["model"]
    assert board.far.ours(folder) == CLEAN
    assert not [path for path in board.far.root.glob("home/far/**/pwned") if path.exists()]
    assert not (Path.cwd() / "pwned").exists()


def test_a_name_of_ones_own(board: Sshd, model: Model, library: list[str], capsys: Capture) -> None:
    assert main.run(["devices", "add", "kitchen", "ssh:board"]) == 0
    assert main.run(["devices", "add", "kitchen", "ssh:board"]) == 2
    assert main.run(["devices", "add", "absent", "ssh:nobody.invalid"]) == 0
    capsys.readouterr()
    began = time.monotonic()
    assert main.run(["devices", "--json"]) == 0
    seconds = time.monotonic() - began
    states = {device["name"]: device["state"] for device in json.loads(capsys.readouterr().out)["devices"]}
    assert states == {"host": "ready", "kitchen": "ready", "absent": "unreachable"}
    assert seconds < 6
    board.far.add_command("cat", 'case $1 in */model) echo "Raspberry Pi 5 Model B";; *) exec /bin/cat "$@";; esac')
    assert main.run(["devices", "check", "kitchen"]) == 0
    assert "Raspberry Pi 5" in capsys.readouterr().out
    # It is now the one that the profile means.
    code, body, err = bench(capsys, model(), "raspberry-pi", *library)
    assert code == 0, err
    assert body["results"][0]["device"]["name"] == "kitchen"
    assert main.run(["devices", "clean", "kitchen"]) == 0
    assert board.far.ours("/home/far/.cache") == []
    assert main.run(["devices", "remove", "kitchen"]) == 0
    assert main.run(["devices", "remove", "kitchen"]) == 2


def test_boards_that_are_silent_cost_a_second_together(board: Sshd, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes calls, and says nothing
        board.write_client(extra=f"Host silent*\n  HostName 127.0.0.1\n  Port {silent.getsockname()[1]}\n")
        for number in range(6):
            assert main.run(["devices", "add", f"board{number}", f"ssh:silent{number}"]) == 0
        capsys.readouterr()
        began = time.monotonic()
        assert main.run(["devices", "--json"]) == 0
        assert time.monotonic() - began < 5
    listed = json.loads(capsys.readouterr().out)["devices"][1:]
    assert [(device["state"], device["hint"]) for device in listed] == [
        ("unreachable", "it does not answer: check that it is on and in this network")
    ] * 6


def test_completion_needs_no_connection(board: Sshd, tmp_path: Path) -> None:
    main.run(["devices", "add", "kitchen", "ssh:board"])
    line = "repbnn-edge bench x.tflite --device "
    environment = {**os.environ, "_REPBNN_EDGE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "4"}
    program = Path(sys.executable).with_name("repbnn-edge")
    said = subprocess.run([str(program)], env=environment, capture_output=True, text=True, check=False).stdout
    assert {"kitchen", "pixel", "host"} <= set(said.split())
