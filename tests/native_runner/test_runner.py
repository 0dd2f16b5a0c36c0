"""The runner against a library that goes wrong on demand: what it says, and that it ends."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.devices.far.system import possible

QUICK = ("--num-runs", "3", "--min-secs", "0", "--max-secs", "5")


class Runner:
    """Calls it with a model that says what goes wrong."""

    def __init__(self, built: Path, folder: Path) -> None:
        self.program, self.helpers, self.folder = built / "repbnn-runner", built / "tests", folder

    def model(self, words: str = "") -> str:
        path = self.folder / "model.tflite"
        path.write_bytes(b"TFL3" + words.encode())
        return str(path)

    def command(self, *words: str, model: str = "", runtime: str = "fake_tflite") -> list[str]:
        library = str(self.helpers / f"{runtime}.so")
        return [str(self.program), "--model", self.model(model), "--runtime-library", library, *QUICK, *words]

    def run(self, *words: str, **options: str) -> tuple[int, list[dict[str, Any]]]:
        return self.call(self.command(*words, **options))

    def call(self, command: list[str]) -> tuple[int, list[dict[str, Any]]]:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=self.folder)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def runner(built: Path, tmp_path: Path) -> Runner:
    return Runner(built, tmp_path)


def only(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (event,) = (event for event in events if event["event"] == kind)
    return event


def test_the_version_says_what_it_is_built_for(runner: Runner) -> None:
    code, events = runner.call([str(runner.program), "--version"])
    assert code == 0
    (event,) = events
    assert event == {"event": "version", "version": "0.1.0", "abi": f"linux-{os.uname().machine}"}


def test_a_run_says_everything_in_order(runner: Runner) -> None:
    code, events = runner.run()
    kinds = [event["event"] for event in events]
    assert (code, kinds[:4]) == (0, ["started", "loaded", "first", "warm"])
    assert kinds[-2:] == ["cores", "end"]
    assert set(kinds[4:-2]) == {"runs"}
    assert only(events, "loaded")["runtime"] == ["tflite", "9.9.9"]
    assert only(events, "loaded")["delegate"] is None
    times = [one for event in events if event["event"] == "runs" for one in event["ns"]]
    assert len(times) == 3
    assert min(times) >= 1_000_000  # what a run takes at least
    assert only(events, "first")["repeatable"] is True
    assert only(events, "warm")["steady"] in (True, False)
    assert only(events, "end")["peak_memory_bytes"] > 0


def test_inputs_and_outputs_are_raw_bytes(runner: Runner) -> None:
    (runner.folder / "in").write_bytes(struct.pack("<4f", 1, -2, 3.5, 0))
    code, _ = runner.run("--input", "in", "--output", "out")
    assert code == 0
    assert struct.unpack("<4f", (runner.folder / "out").read_bytes()) == (2, -4, 7, 0)


def test_without_an_input_it_is_the_same_noise_each_time(runner: Runner) -> None:
    outputs = []
    for name in ("a", "b"):
        assert runner.run("--output", name)[0] == 0
        outputs.append(struct.unpack("<4f", (runner.folder / name).read_bytes()))
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0])) == 4
    assert all(abs(value) < 12 for value in outputs[0])


@pytest.mark.parametrize("fault", ["changing", "infinite"])
def test_wrong_answers_are_told_before_anything_is_timed(runner: Runner, fault: str) -> None:
    assert only(runner.run(model=fault)[1], "first")["repeatable"] is False


@pytest.mark.parametrize(
    ("words", "code", "what", "why"),
    [
        (("--model", "missing.tflite"), 3, "missing.tflite", "No such file"),
        (("--model", "/dev/null"), 3, "/dev/null", "no TFLite file"),
        (("--runtime-library", "missing.so"), 4, "missing.so", "cannot be loaded"),
        (("--runtime-library", "@fake_delegate.so"), 4, "@fake_delegate.so", "does not export TfLiteVersion"),
        (("--delegate", "missing.so"), 4, "missing.so", "cannot be loaded"),
        (("--delegate", "@fake_tflite.so"), 4, "@fake_tflite.so", "does not export tflite_plugin_create_delegate"),
        (("--delegate", "@fake_delegate.so", "--delegate-option", "a=b"), 4, "@fake_delegate.so", "all that it knows"),
        (("--input", "missing"), 3, "missing", "No such file"),
        (("--input", "/dev/null"), 3, "/dev/null", "0 bytes, the inputs have 16"),
        (("--output", "missing/folder"), 9, "missing/folder", "No such file"),
        (("--num-runs", "0"), 2, "--num-runs", "'0' is not valid"),
        (("--min-secs", "nan"), 2, "--min-secs", "not valid"),
        (("--delegate-option", "novalue"), 2, "--delegate-option", "not valid"),
        (("--fast",), 2, "--fast", "no such option"),
        (("--model",), 2, "--model", "not valid"),
    ],
)
def test_each_fault_is_one_sentence(runner: Runner, words: tuple[str, ...], code: int, what: str, why: str) -> None:
    helpers = f"{runner.helpers}/"
    exit_code, events = runner.run(*(word.replace("@", helpers) for word in words))
    event = only(events, "error")
    assert (exit_code, event["code"], event["what"]) == (code, code, what.replace("@", helpers))
    assert why in event["why"]
    assert event["do"]
    assert events[-1] is event


@pytest.mark.parametrize("fault", ["no-interpreter", "no-tensors", "fail-later"])
def test_a_runtime_that_refuses_is_named(runner: Runner, fault: str) -> None:
    code, events = runner.run("--num-runs", "1000", model=fault)
    assert (code, events[-1]["event"]) == (4, "error")
    assert "cannot run it" in events[-1]["why"] or "failed to run it" in events[-1]["why"]


def test_a_foreign_delegate_gets_the_users_options_alone(runner: Runner) -> None:
    delegate = str(runner.helpers / "fake_delegate.so")
    code, events = runner.run("--delegate", delegate, "--delegate-option", "speed=high", "--profile")
    assert code == 0
    assert only(events, "loaded")["delegate"] is None
    assert "delegate_steps" not in only(events, "ops")


def test_operators_are_timed_in_runs_of_their_own(runner: Runner) -> None:
    code, events = runner.run("--profile", model="slow-operator")
    assert (code, events[-1]["event"]) == (0, "ops")
    (operator,) = events[-1]["ops"]
    assert operator.items() >= {"index": 3, "type": "MUL", "delegated": False}.items()
    assert operator["mean_ms"] >= 2.0
    assert operator["runs"] > 3


def test_a_runtime_without_the_hook_gives_no_operators(runner: Runner) -> None:
    code, events = runner.run("--profile", runtime="fake_tflite_plain")
    assert (code, events[-1]["event"]) == (0, "end")


def test_the_roofline_is_of_this_machine(runner: Runner) -> None:
    code, events = runner.call([str(runner.program), "--roofline"])
    event = only(events, "roofline")
    assert code == 0
    assert event["popcount_per_s"] > 1e9
    assert event["bytes_per_s"] > 1e8


def test_it_stays_on_the_cores_that_it_is_given(runner: Runner) -> None:
    core = max(os.sched_getaffinity(0))
    _, events = runner.run("--cores", f"{1 << core:x}", "--roofline", "--min-secs", "0.5")
    assert [event for event in events if event["event"] == "affinity"] == []
    assert set(only(events, "cores")["ran_on"]) <= {core}


CLOCKS = """
mount -t tmpfs cores /sys/devices/system/cpu || exit 77
for c in 0 1 2 3; do
  mkdir -p /sys/devices/system/cpu/cpu$c/cpufreq; echo 2000000 >/sys/devices/system/cpu/cpu$c/cpufreq/scaling_cur_freq
done
exec "$@"
"""


def test_the_clock_under_it_is_told(runner: Runner) -> None:
    if not possible() or len(os.sched_getaffinity(0)) > 4:
        pytest.skip("this kernel gives no user namespace, or more cores than the four that are made up")
    command = runner.command("--cores", "1", "--min-secs", "3")
    events = []
    with subprocess.Popen(["unshare", "-Urm", "sh", "-c", CLOCKS, "sh", *command], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if sum(event["event"] == "runs" for event in events) == 6:  # of 15 at most: in the second quarter at least
                for clock in Path(f"/proc/{process.pid}/root/sys/devices/system/cpu").glob("cpu*/cpufreq/*"):
                    clock.write_text("1500000\n")
    assert process.returncode == 0
    assert only(events, "cores")["khz"] == [2000000, 1500000]
    _, events = runner.run()
    if not Path("/sys/devices/system/cpu/cpu0/cpufreq").exists():
        assert only(events, "cores")["khz"] is None


@pytest.mark.parametrize("mask", ["8" + "0" * 200, "4" + "0" * 100, "zz", "0"])
def test_a_mask_that_is_refused_is_told_and_the_run_goes_on(runner: Runner, mask: str) -> None:
    code, events = runner.run("--cores", mask)
    assert code == 0
    assert events[1]["event"] == "affinity"
    assert events[1]["refused"]


@pytest.mark.parametrize("fault", ["hang-in-load", "hang-in-run"])
def test_the_deadline_ends_what_hangs(runner: Runner, fault: str) -> None:
    began = time.monotonic()
    code, events = runner.run("--deadline", "1.5", model=fault)
    assert code == 124
    assert 1.4 < time.monotonic() - began < 6
    assert events[-1]["event"] in ("started", "loaded")


def test_the_alarm_stands_behind_the_thread(runner: Runner) -> None:
    asleep = {**os.environ, "LD_PRELOAD": str(runner.helpers / "never_wakes.so")}
    command = runner.command("--deadline", "1", model="hang-in-run")
    assert subprocess.run(command, capture_output=True, timeout=30, env=asleep).returncode == -signal.SIGALRM


def test_a_crash_is_a_signal(runner: Runner) -> None:
    code, events = runner.run(model="crash")
    assert code == -signal.SIGSEGV
    assert events[-1]["event"] == "loaded"


def test_it_ends_when_nobody_listens(runner: Runner) -> None:
    process = subprocess.Popen(runner.command("--min-secs", "30", "--max-secs", "30"), stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) != 0


def test_names_with_anything_in_them(runner: Runner) -> None:
    strange = runner.folder / "a \"b\" 'c' $(d);\u00e9\n.tflite"
    strange.write_bytes(b"TFL3 no-interpreter")
    code, events = runner.run("--model", str(strange))
    assert code == 4
    assert only(events, "error")["what"] == str(strange)
