"""What goes wrong with a phone, and that nothing is left running there or executed from a name."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from repbnn_edge.benching import expected
from repbnn_edge.cli import main
from tests.devices.calling import CLEAN, bench, codes, start_bench
from tests.devices.conftest import MakeAdbd, MakeSystem, android
from tests.devices.far.adbd import Adbd
from tests.devices.far.system import FarSystem

Model = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


def wait_for(what: Callable[[], object], seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)


def running(adbd: Adbd) -> bool:
    return any("repbnn-edge/cache" in line and "--model" in line for line in adbd.system.processes().values())


def test_a_crash_is_told_by_its_signal(pixel: Adbd, model: Model, capsys: Capture) -> None:
    pixel.system.behave("crash")
    code, body, err = bench(capsys, model(), "pixel")
    assert code == 6
    assert "runner_failed" in codes(body)
    assert "SIGSEGV" in err
    assert pixel.system.settle(3) == {}
    assert pixel.system.ours() == CLEAN


def test_a_wrong_answer_is_not_timed(pixel: Adbd, model: Model, capsys: Capture) -> None:
    pixel.system.behave("wrong")
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 5
    assert "wrong_output" in codes(body)
    assert body["results"][0]["runs"] == 0
    assert pixel.system.settle(3) == {}


def test_where_lce_is_no_judge_this_machines_litert_is(
    pixel: Adbd, model: Model, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expected, "lce_errs", lambda file: True)
    for how, exit_code in (("well", 0), ("wrong", 5)):
        pixel.system.behave(how)
        code, body, _ = bench(capsys, model(), "pixel")
        assert code == exit_code
        assert body["results"][0]["output_check"]["against"].startswith("litert ")


@pytest.mark.parametrize("flags", [["--runtime", "lce"], ["--delegate", "/nowhere/lib.so"]], ids=str)
def test_a_row_that_cannot_run_there_fails_alone(pixel: Adbd, model: Model, capsys: Capture, flags: list[str]) -> None:
    both = [*flags, "--runtime", "litert"] if "lce" in flags else flags
    code, body, err = bench(capsys, model(), "pixel", *both)
    assert code == 6, err
    assert body["results"][0]["verdict"]["status"] == "failed"
    assert "lce" not in flags or body["results"][1]["runs"] == 25


def test_cores_that_the_device_refuses(pixel: Adbd, model: Model, capsys: Capture) -> None:
    pixel.system.behave("refused")
    code, body, _ = bench(capsys, model(), "pixel", "--cores", "1")
    assert code == 0
    assert "affinity_refused" in codes(body)
    arguments = json.loads((pixel.system.root / "tmp/arguments.json").read_text())
    assert arguments[arguments.index("--cores") + 1] == "1"


@pytest.mark.parametrize("shell", [("mksh",), ("busybox", "sh"), ("bash", "--posix")], ids=lambda words: words[0])
def test_the_scripts_in_the_shells_that_devices_have(
    make_system: MakeSystem, make_adbd: MakeAdbd, binaries: Path, model: Model, capsys: Capture, shell: tuple[str, ...]
) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    far = android(make_system(shell=shell))
    make_adbd(far)
    code, body, err = bench(capsys, model(), "pixel")
    assert code == 0, err
    assert body["results"][0]["environment"]["after"]["other_cpu_share"] is not None  # `times` was understood
    far.behave("crash")
    code, _, err = bench(capsys, model(), "pixel")
    assert code == 6
    assert "SIGSEGV" in err
    far.behave("hang")
    code, _, _ = bench(capsys, model(), "pixel", "--timeout", "1")
    assert code == 7
    process = start_bench(model(), "pixel", "--timeout", "60")
    wait_for(lambda: any("--model" in line for line in far.processes().values()), 60)
    process.kill()
    process.communicate()
    assert far.settle(5) == {}
    assert far.ours() == CLEAN


@pytest.mark.parametrize("how", ["junk", "nonsense"])
def test_junk_in_the_output(pixel: Adbd, model: Model, capsys: Capture, how: str) -> None:
    pixel.system.behave(how)
    code, body, err = bench(capsys, model(), "pixel")
    if how == "junk":  # around the events: they are still there
        assert code == 0
        assert body["results"][0]["runs"] == 25
    else:
        assert code == 6
        assert "runner_failed" in codes(body)
    assert "\x1b" not in err


def test_the_deadline_ends_a_runner_that_hangs(pixel: Adbd, model: Model, capsys: Capture) -> None:
    pixel.system.behave("hang")
    began = time.monotonic()
    code, body, _ = bench(capsys, model(), "pixel", "--timeout", "2")
    assert code == 7
    assert "timed_out" in codes(body)
    assert time.monotonic() - began < 30
    assert pixel.system.settle(3) == {}
    assert pixel.system.ours() == CLEAN


def test_nothing_runs_on_when_bench_and_the_adb_server_are_killed(pixel: Adbd, model: Model, adb_server: str) -> None:
    pixel.system.behave("hang")
    process = start_bench(model(), "pixel", "--timeout", "30")
    wait_for(lambda: running(pixel), 60)
    server = _server_pid()
    process.kill()
    os.kill(server, signal.SIGKILL)
    assert pixel.system.settle(5) == {}
    process.communicate()
    assert pixel.system.ours() == CLEAN


def test_the_device_keeps_the_deadline_when_nobody_tells_it(pixel: Adbd, model: Model, adb_server: str) -> None:
    """The connection hangs rather than ends: Wi-Fi that went. Only the device's own clock is left."""
    pixel.system.behave("hang")
    process = start_bench(model(), "pixel", "--timeout", "4")
    wait_for(lambda: running(pixel), 60)
    began = time.monotonic()
    pixel.freeze()
    process.kill()
    process.communicate()
    os.kill(_server_pid(), signal.SIGKILL)
    wait_for(lambda: not running(pixel), 4 + 5 + 2)
    assert time.monotonic() - began > 1  # it was the deadline, not the connection


def _server_pid() -> int:
    port = os.environ["ANDROID_ADB_SERVER_PORT"]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"fork-server" in words and any(port.encode() in word for word in words):
            return int(entry.name)
    raise AssertionError("no server")


def test_gone_while_pushing(pixel: Adbd, model: Model, capsys: Capture, adb_server: str) -> None:
    pixel.on_data = lambda total: pixel.pull() if total > 300_000 else None
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 6
    assert body.get("error") or "device_lost" in codes(body)
    assert pixel.system.settle(5) == {}
    _again(pixel, adb_server)
    assert bench(capsys, model(), "pixel")[0] == 0
    assert pixel.system.ours() == CLEAN


def _again(pixel: Adbd, adb_server: str) -> None:
    """adb itself tries again only after 10 seconds."""
    pixel.on_data = lambda total: None
    pixel.plug()
    subprocess.run([adb_server, "disconnect", pixel.serial], capture_output=True, check=False)
    subprocess.run([adb_server, "connect", pixel.serial], capture_output=True, check=True)


def test_gone_while_running(pixel: Adbd, model: Model, capsys: Capture, adb_server: str) -> None:
    pixel.system.behave("drip")

    def pull_soon() -> None:
        wait_for(lambda: running(pixel), 60)
        time.sleep(0.3)
        pixel.pull()

    thread = threading.Thread(target=pull_soon)
    thread.start()
    code, body, _ = bench(capsys, model(), "pixel")
    thread.join()
    assert code == 6
    assert "device_lost" in codes(body)
    assert pixel.serial not in json.dumps(body)  # a report may be published
    assert pixel.system.settle(5) == {}
    pixel.system.behave("well")
    _again(pixel, adb_server)
    assert bench(capsys, model(), "pixel")[0] == 0
    assert pixel.system.ours() == CLEAN


def test_gone_while_cleaning(pixel: Adbd, model: Model, capsys: Capture) -> None:
    states = [0]

    def count(service: str) -> None:
        states[0] += "scaling_cur_freq" in service
        if states[0] == 3:  # once made ready, before and after the one process: cleaning is next
            threading.Timer(0.15, pixel.pull).start()

    pixel.on_open = count
    code, body, _ = bench(capsys, model(), "pixel")
    assert code in (0, 6)
    assert body["results"]
    assert pixel.system.settle(5) == {}
    assert pixel.system.ours() == CLEAN  # the phone did it


MakePhone = Callable[[str], FarSystem]


@pytest.fixture
def phone_with(make_system: MakeSystem, make_adbd: MakeAdbd, binaries: Path) -> MakePhone:
    """Makes a Pixel whose storage lines of its set-up have changed."""

    def make(extra_setup: str) -> FarSystem:
        far = android(make_system(extra_setup=extra_setup))
        make_adbd(far)
        return far

    return make


def test_a_full_storage_is_said_and_left_as_it_was(phone_with: MakePhone, model: Model, capsys: Capture) -> None:
    far = phone_with('umount "$r/data/local/tmp"; mount -t tmpfs -o mode=777,size=600k small "$r/data/local/tmp"')
    code, _, err = bench(capsys, model(), "pixel")
    assert code == 6
    assert "storage is full" in err
    assert "devices clean" in err
    assert far.ours() == CLEAN
    assert not list((far.root / "data/local/tmp/repbnn-edge/cache").glob(".new*"))


def test_a_storage_without_room_for_a_folder(phone_with: MakePhone, model: Model, capsys: Capture) -> None:
    phone_with('umount "$r/data/local/tmp"; mount -t tmpfs -o mode=777,nr_inodes=1 none "$r/data/local/tmp"')
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 6
    assert "storage is full" in body["error"]["why"]


def test_a_folder_where_nothing_may_run(phone_with: MakePhone, model: Model, capsys: Capture) -> None:
    far = phone_with('mount -o remount,noexec "$r/data/local/tmp"')
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 6
    assert "noexec" in body["error"]["why"]
    assert list((far.root / "data/local/tmp").iterdir()) == []


@pytest.mark.parametrize(("abi", "named"), [("armeabi-v7a", "android-arm"), ("x86_64", "android-x86_64")])
def test_an_abi_that_nothing_here_is_for(
    make_system: MakeSystem, make_adbd: MakeAdbd, binaries: Path, model: Model, capsys: Capture, abi: str, named: str
) -> None:
    make_adbd(android(make_system(), ro__product__cpu__abi=abi))
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 6
    assert named in body["error"]["why"]


def test_a_runner_of_another_processor(pixel: Adbd, binaries: Path, model: Model, capsys: Capture) -> None:
    # A RISC-V program: nothing here knows it.
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00" + bytes(100)
    (binaries / "android-arm64" / "repbnn-runner").write_bytes(header)
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 6
    assert "cannot run android-arm64 programs" in body["error"]["why"]
    assert pixel.system.settle(3) == {}


def test_a_second_bench_waits_for_the_first_and_says_so(pixel: Adbd, model: Model, capsys: Capture) -> None:
    pixel.system.behave("drip")
    first = start_bench(model(), "pixel", "--timeout", "60")
    wait_for(lambda: running(pixel), 60)
    second = start_bench(model(), "pixel")
    assert second.stderr is not None
    said = second.stderr.readline()
    assert "another bench is measuring there" in said
    third = start_bench(model(), "pixel")
    assert third.stderr is not None and "another bench" in third.stderr.readline()
    third.send_signal(signal.SIGINT)  # before anything of it ran
    out, _ = third.communicate(timeout=30)
    assert (third.returncode, json.loads(out)["results"], json.loads(out)["interrupted"]) == (130, [], True)
    pixel.system.behave("well")
    first.send_signal(signal.SIGINT)
    assert first.wait(30) == 130
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert json.loads(out)["results"][0]["runs"] == 25
    first.communicate()
    assert pixel.system.ours() == CLEAN


def test_a_lock_of_the_dead_is_taken(pixel: Adbd, model: Model, capsys: Capture) -> None:
    assert bench(capsys, model(), "pixel")[0] == 0
    home = pixel.system.root / "data/local/tmp/repbnn-edge"
    for content in ("999999.1.9999999999", "1.1.9999999999", "$(touch x)", "1.2.3;reboot"):
        (home / "lock").symlink_to(content)
        (home / "runs" / "1-dead").mkdir()
        (home / "runs" / "1-dead" / "pid").write_text("1 1\n")
        assert bench(capsys, model(), "pixel")[0] == 0, content
        assert pixel.system.ours() == CLEAN


def test_ctrl_c_leaves_nothing_and_prints_what_there_is(pixel: Adbd, model: Model) -> None:
    pixel.system.behave("drip")
    process = start_bench(model(), "pixel", "--repeats", "3")
    wait_for(lambda: running(pixel), 60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert json.loads(out)["interrupted"] is True
    assert pixel.system.settle(5) == {}
    assert pixel.system.ours() == CLEAN


HOSTILE = "a b'c\"d;touch $(touch pwned)`touch pwned`\n&|é<>*"


def test_nothing_is_executed_from_names(
    make_system: MakeSystem, make_adbd: MakeAdbd, binaries: Path, model: Model, capsys: Capture, tmp_path: Path,
) -> None:  # fmt: skip
    far = make_system()
    flat = HOSTILE.replace("\n", " ")
    adbd = make_adbd(android(far, ro__product__model=flat, ro__soc__model=flat, ro__build__fingerprint=flat))
    code, body, err = bench(capsys, model(HOSTILE + ".tflite"), f"adb:{adbd.serial}")
    assert code == 0, err
    assert body["results"][0]["device"]["model"] == f"Google {flat}"
    config = tmp_path / "config"
    config.mkdir()
    folder = f"/data/local/tmp/{HOSTILE}"
    label = json.dumps(HOSTILE)
    table = f'[{label}]\ntarget = "adb:{adbd.serial}"\nfolder = {json.dumps(folder)}\n'
    (config / "devices.toml").write_text(table)
    code, body, err = bench(capsys, model(HOSTILE + ".tflite"), HOSTILE)
    assert code == 0, err
    assert body["results"][0]["device"]["name"] == HOSTILE
    assert far.ours(folder) == CLEAN
    assert bench(capsys, model(), HOSTILE + "2")[0] == 2
    assert bench(capsys, model(), f"adb:{HOSTILE}")[0] in (2, 6)
    assert main.run(["devices"]) == 0
    assert not list(far.root.glob("pwned")) + list(far.root.glob("data/local/tmp/**/pwned"))
    assert not (Path.cwd() / "pwned").exists()


def test_cable_pulls_leave_no_process_and_no_folder(
    pixel: Adbd, model: Model, capsys: Capture, adb_server: str
) -> None:
    pull_cables(pixel, model(), capsys, adb_server, times=5)


@pytest.mark.slow
def test_a_hundred_cable_pulls(pixel: Adbd, model: Model, capsys: Capture, adb_server: str) -> None:
    """The named command: pytest tests/devices/test_adb_faults.py -k hundred."""
    pull_cables(pixel, model(), capsys, adb_server, times=100)


def pull_cables(pixel: Adbd, file: Path, capsys: Capture, adb_server: str, times: int) -> None:
    """Pull at moments over the whole of a bench; then one that is left alone sweeps."""
    import random

    moments = random.Random(20261123)
    assert bench(capsys, file, "pixel")[0] == 0
    for turn in range(times):
        pixel.system.behave("drip" if turn % 2 else "well")
        timer = threading.Timer(moments.uniform(0.05, 1.2), pixel.pull)
        timer.start()
        code, _, err = bench(capsys, file, "pixel", "--timeout", "20")
        timer.join()
        assert code in (0, 6), err
        left = pixel.system.settle(8)
        assert left == {}, (turn, left)
        _again(pixel, adb_server)
    pixel.system.behave("well")
    assert bench(capsys, file, "pixel")[0] == 0
    assert pixel.system.ours() == CLEAN
