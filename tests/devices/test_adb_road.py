"""bench and devices over the real adb client and server, to an adbd of the test's own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.cli import main
from tests.devices.calling import CLEAN, QUICK, bench, codes
from tests.devices.conftest import MakeAdbd, MakeSystem, android
from tests.devices.far.adbd import Adbd, Policy
from tests.devices.far.system import FarSystem

Model = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


def test_the_whole_road(pixel: Adbd, model: Model, capsys: Capture) -> None:
    code, body, _ = bench(capsys, model(), "pixel", "--repeats", "2")
    assert code == 0
    (row,) = body["results"]
    assert row["runs"] == 50
    assert (row["runtime"]["name"], row["runtime"]["version"]) == ("tflite", "2.16.1")
    device = row["device"]
    assert (device["transport"], device["name"], device["model"]) == ("adb", "pixel", "Google Pixel 8")
    assert (device["soc_model"], device["abi"]) == ("Google Tensor G3", "android-arm64")
    assert "FAR0001" not in json.dumps(row)
    assert row["environment"]["before"]["battery"] == {"level": 81, "temperature": 285}
    # An arm64 system on a processor that is none.
    assert "emulated" in codes(body)
    assert row["latency_ms"] is None
    assert len(row["samples_ms"][0]) == 25
    assert pixel.system.settle(3) == {}
    assert pixel.system.ours() == CLEAN


def test_the_table_has_no_latency_of_an_emulated_phone(pixel: Adbd, model: Model, capsys: Capture) -> None:
    assert main.run(["bench", str(model()), "--device", "pixel", *QUICK]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("on pixel, tflite 2.16.1, threads: 1\n")
    (row,) = [line for line in printed.out.splitlines() if line.startswith("net.tflite")]
    assert row.split()[1:4] == ["-", "-", "-"] and row.split()[-1] == "inconclusive"
    assert "net.tflite: emulated: " in printed.out
    assert "plan: 1 row" in printed.err


def test_a_second_bench_pushes_nothing_and_proves_what_lies_there(pixel: Adbd, model: Model, capsys: Capture) -> None:
    assert bench(capsys, model(), "pixel")[0] == 0
    pixel.pushed.clear()
    assert bench(capsys, model(), "pixel")[0] == 0
    assert pixel.pushed == []
    cache = pixel.system.root / "data/local/tmp/repbnn-edge/cache"
    largest = max(cache.iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(b"something else")
    assert bench(capsys, model(), "pixel")[0] == 0
    assert len(pixel.pushed) == 1
    assert largest.stat().st_size > 1 << 20


def test_the_cache_keeps_to_its_limit_and_to_its_own_files(
    pixel: Adbd, model: Model, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench(capsys, model(), "pixel")[0] == 0
    cache = pixel.system.root / "data/local/tmp/repbnn-edge/cache"
    next(path for path in cache.iterdir() if path.stat().st_size < 1024).unlink()
    old = cache / ("ab" * 32)
    old.write_bytes(bytes(1 << 20))
    os.utime(old, (1, 1))
    (cache / "a name; touch reboot").write_text("somebody's")
    monkeypatch.setattr("repbnn_edge.devices.far_end.CACHE_KIB", 1500)
    assert bench(capsys, model(), "pixel")[0] == 0
    assert not old.exists()
    assert (cache / "a name; touch reboot").exists()


@pytest.mark.parametrize(
    ("command", "script", "code"),
    [
        ("dumpsys", "[ $1 = thermalservice ] && echo 'Thermal Status: 3'", "throttled"),
        ("settings", "echo 1", "power_save"),
        ("vcgencmd", "echo throttled=0x50005", "throttled"),
    ],
)
def test_the_phones_state_is_in_the_verdict(
    pixel: Adbd, model: Model, capsys: Capture, command: str, script: str, code: str
) -> None:
    pixel.system.add_command(command, script)
    assert code in codes(bench(capsys, model(), "pixel")[1])


def test_an_overridden_thermal_status_is_refused(pixel: Adbd, model: Model, capsys: Capture) -> None:
    pixel.system.write("/far-bin/thermal", "IsStatusOverride: true\nThermal Status: 0\n")
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 6
    assert "overridden" in body["error"]["why"]
    assert "thermalservice reset" in body["error"]["do"]
    assert pixel.system.ours() == CLEAN


CORES = """
mount -t tmpfs cores "$r/sys/devices/system/cpu"
for c in 0:2800000 1:1800000; do
  f="$r/sys/devices/system/cpu/cpu${c%:*}/cpufreq"; mkdir -p "$f"
  echo ${c#*:} >"$f/cpuinfo_max_freq"; echo 2000000 >"$f/scaling_cur_freq"; echo powersave >"$f/scaling_governor"
done
"""


def test_cores_are_chosen_by_frequency_and_watched(
    make_system: MakeSystem, make_adbd: MakeAdbd, binaries: Path, model: Model, capsys: Capture
) -> None:
    far = android(make_system(extra_setup=CORES))
    make_adbd(far)
    far.behave("slows")
    code, body, err = bench(capsys, model(), "pixel", "--cores", "prime")
    assert code == 0, err
    arguments = json.loads((far.root / "tmp/arguments.json").read_text())
    assert arguments[arguments.index("--cores") + 1] == "1"
    assert {"frequency_drift", "power_save"} <= set(codes(body))
    assert bench(capsys, model(), "pixel", "--cores", "little")[0] == 0
    arguments = json.loads((far.root / "tmp/arguments.json").read_text())
    assert arguments[arguments.index("--cores") + 1] == "2"


def test_a_key_is_offered_and_used_again(phone: FarSystem, make_adbd: MakeAdbd, adb_server: str) -> None:
    policy = Policy(auth="accept")
    adbd = make_adbd(phone, policy=policy)
    assert len(policy.trusted) == 1
    assert _states() == {adbd.serial: "device"}
    # The next connection needs no tap: the signature is enough.
    policy.auth = "ignore"
    subprocess.run([adb_server, "disconnect", adbd.serial], check=True, capture_output=True)
    subprocess.run([adb_server, "connect", adbd.serial], check=True, capture_output=True)
    assert _states() == {adbd.serial: "device"}


def _states() -> dict[str, str]:
    from repbnn_edge import list_devices

    return {device.name: device.state for device in list_devices().devices if device.transport == "adb"}


@pytest.mark.parametrize("state", ["recovery", "sideload"])
def test_a_device_that_is_no_android_now(
    phone: FarSystem, make_adbd: MakeAdbd, model: Model, binaries: Path, capsys: Capture, state: str
) -> None:
    adbd = make_adbd(phone, state=state)
    code, body, err = bench(capsys, model(), f"adb:{adbd.serial}")
    assert code == 6
    assert f"in {state} mode" in body["error"]["why"]
    assert err.startswith("error: ")


def test_unauthorised_says_what_to_tap(
    phone: FarSystem, make_adbd: MakeAdbd, model: Model, binaries: Path, capsys: Capture
) -> None:
    adbd = make_adbd(phone, policy=Policy(auth="ignore"))
    assert _states()[adbd.serial] in ("unauthorized", "authorizing")
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 6
    assert "allow" in body["error"]["why"]
    assert main.run(["devices"]) == 0
    assert "accept" in capsys.readouterr().out


def test_offline_says_so(pixel: Adbd, model: Model, capsys: Capture) -> None:
    pixel.pull()
    code, body, _ = bench(capsys, model(), f"adb:{pixel.serial}")
    assert code == 6
    assert "offline" in body["error"]["why"] or "attached" in body["error"]["why"]


def test_without_adb_it_says_how_to_get_it(
    adb_server: str, model: Model, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 6
    assert "apt-get install adb" in body["error"]["do"]


def test_nothing_attached(adb_server: str, model: Model, capsys: Capture) -> None:
    for device in ("pixel", "android", "adb:R58M12"):
        code, body, _ = bench(capsys, model(), device)
        assert code == 6, device
        assert "attached" in body["error"]["why"]


def test_an_unknown_word_is_a_usage_error_with_the_nearest(adb_server: str, model: Model, capsys: Capture) -> None:
    code, body, _ = bench(capsys, model(), "galxy")
    assert code == 2
    assert "galaxy" in body["error"]["do"]


def test_of_two_that_match_one_must_be_named(
    make_system: MakeSystem, make_adbd: MakeAdbd, model: Model, binaries: Path, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first = make_adbd(android(make_system()))
    second = make_adbd(android(make_system(), ro__serialno="FAR0002"))
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 6
    assert first.serial in body["error"]["why"]
    assert second.serial in body["error"]["why"]
    monkeypatch.setenv("ANDROID_SERIAL", second.serial)
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 0
    assert second.opened
    # Side by side, into one table.
    code = main.run(["bench", str(model()), "--json", "--device", first.serial, "--device", "FAR0002",
                     "--num-runs", "25", "--min-secs", "0", "--repeats", "1", "--delegate", "none"])  # fmt: skip
    body = json.loads(capsys.readouterr().out)
    assert code == 0
    names = [row["device"]["name"] for row in body["results"]]
    assert names == [f"Google Pixel 8 {row['device']['id_hash'][:6]}" for row in body["results"]]
    assert len(set(names)) == 2
    assert first.serial not in str(body) and "FAR000" not in str(body)


def test_this_machine_and_a_phone_side_by_side(pixel: Adbd, model: Model, capsys: Capture) -> None:
    code, body, err = bench(capsys, model(), "host", "--device", "pixel")
    assert code == 0, err
    assert [row["device"]["transport"] for row in body["results"]] == ["host", "adb"]
    assert body["results"][0]["latency_ms"]["median"] > 0
    assert body["results"][1]["latency_ms"] is None


def test_two_ways_to_one_phone_are_one_device(
    phone: FarSystem, make_adbd: MakeAdbd, model: Model, binaries: Path, capsys: Capture
) -> None:
    make_adbd(phone)
    make_adbd(phone)
    assert list(_states().values()) == ["device"]
    assert bench(capsys, model(), "pixel")[0] == 0


def test_a_server_of_another_version_is_left_alone(
    adb_server: str, model: Model, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(other.getsockname()[1]))

        def serve() -> None:
            while True:
                try:
                    connection, _ = other.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(16, socket.MSG_WAITALL))
                    connection.sendall(b"OKAY00040020")

        threading.Thread(target=serve, daemon=True).start()
        for device in ("pixel", "adb:R58M12", "R58M12"):
            code, body, _ = bench(capsys, model(), device)
            assert code == 6, device
            assert "1.0.32" in body["error"]["why"]
            assert "1.0.41" in body["error"]["why"]
        assert main.run(["devices", "--json"]) == 0
        assert "1.0.32" in capsys.readouterr().out
    assert set(asked) == {b"000chost:version"}  # above all no host:kill


def test_an_adb_that_fits_the_running_server_is_looked_for(
    pixel: Adbd, model: Model, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, adb_server: str
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "adb").write_text('#!/bin/sh\necho Android Debug Bridge version 1.0.32\necho "$*" >>"$0.used"\n')
    (old / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", f"{old}{os.pathsep}{os.environ['PATH']}")
    assert bench(capsys, model(), "pixel")[0] == 0
    assert set((old / "adb.used").read_text().splitlines()) == {"version"}


def test_devices_starts_no_server(adb_server: str, capsys: Capture) -> None:
    assert main.run(["devices", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert [device["name"] for device in body["devices"]] == ["host"]
    assert "start-server" in body["notes"][0]
    with socket.socket() as connection:
        assert connection.connect_ex(("127.0.0.1", int(os.environ["ANDROID_ADB_SERVER_PORT"]))) != 0


def test_check_and_clean_say_each_step(pixel: Adbd, capsys: Capture) -> None:
    assert main.run(["devices", "check", "pixel"]) == 0
    said = capsys.readouterr().out
    assert "android-arm64" in said
    assert "the runner runs there: 0.1.0" in said
    assert pixel.system.ours() == CLEAN
    assert main.run(["devices", "clean", "--json"]) == 0
    freed: dict[str, Any] = json.loads(capsys.readouterr().out)["freed_kib"]
    assert list(freed) == [pixel.serial]
    assert list((pixel.system.root / "data/local/tmp").iterdir()) == []


def test_an_adbd_of_old_without_shell_v2(
    phone: FarSystem, make_adbd: MakeAdbd, model: Model, binaries: Path, capsys: Capture
) -> None:
    make_adbd(phone, features="")
    code, body, _ = bench(capsys, model(), "pixel")
    assert code == 0
    assert body["results"][0]["runs"] == 25
