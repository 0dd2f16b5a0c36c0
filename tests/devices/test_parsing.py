"""What devices answer, read without trusting it."""

from __future__ import annotations

import platform

import pytest

from repbnn_edge.devices import far_facts, host_facts, linux
from repbnn_edge.devices.adb import STATES, state_error
from repbnn_edge.devices.adb_server import AdbRow, parse_rows
from repbnn_edge.devices.attached import Attached, merged
from repbnn_edge.devices.far_end import _child_seconds
from repbnn_edge.devices.far_scripts import fill
from repbnn_edge.devices.profiles import PROFILES
from repbnn_edge.errors import DeviceError

LISTING = """\
1A2B3C4D               device usb:1-4 product:shiba model:Pixel_8 device:shiba transport_id:1
192.168.1.7:5555       device product:shiba model:Pixel_8 device:shiba transport_id:2
adb-1A2B3C4D-x (2)._adb-tls-connect._tcp device product:shiba model:Pixel_8 device:shiba transport_id:9
R58M1                  unauthorized usb:1-2 transport_id:3
R58M2                  no permissions (user in plugdev group; are your udev rules wrong?); see [http://x] usb:3-1
$(reboot)              offline transport_id:5
R58M4                  recovery usb:1-3 product:x model:y device:z transport_id:6
R58M5                  authorizing usb:1-5 transport_id:8
* daemon started successfully
"""


def test_the_servers_listing() -> None:
    rows = parse_rows(LISTING)
    assert [(row.serial, row.state, row.by_usb) for row in rows] == [
        ("1A2B3C4D", "device", True),
        ("192.168.1.7:5555", "device", False),
        ("adb-1A2B3C4D-x (2)._adb-tls-connect._tcp", "device", False),
        ("R58M1", "unauthorized", True),
        ("R58M2", "no permissions", True),
        ("$(reboot)", "offline", False),
        ("R58M4", "recovery", True),
        ("R58M5", "authorizing", True),
    ]
    assert rows[0].details["model"] == "Pixel_8"


def test_every_state_says_what_to_do() -> None:
    for state in STATES:
        error = state_error("X", state)
        assert error.exit_code == 6
        assert error.do
    assert "udevadm" in state_error("X", "no permissions").do
    assert state_error("X", "something new").do


def test_one_hardware_serial_is_one_device_and_the_cable_wins() -> None:
    usb = AdbRow("1A2B", "device", {"usb": "1-4"})
    wifi = AdbRow("10.0.0.2:5555", "device", {})
    found = merged(
        [(wifi, Attached("10.0.0.2:5555", "device", "1A2B", "P")), (usb, Attached("1A2B", "device", "1A2B"))]
    )
    assert [(device.serial, device.others) for device in found] == [("1A2B", ("10.0.0.2:5555",))]
    # A cable that is not allowed yet does not hide a Wi-Fi that is.
    usb = AdbRow("1A2B", "unauthorized", {"usb": "1-4"})
    (one,) = merged([(wifi, Attached("10.0.0.2:5555", "device", "1A2B")), (usb, Attached("1A2B", "unauthorized"))])
    assert (one.serial, one.state) == ("10.0.0.2:5555", "device")
    assert one.called("1A2B")
    assert not one.called("1A2")
    # Those that do not say who they are stay apart.
    rows = [(AdbRow(s, "offline"), Attached(s, "offline")) for s in ("A", "B")]
    assert len(merged(rows)) == 2


HEADERS = {
    "32": "7f 45 4c 46 01 01 01 00 00 00 00 00 00 00 00 00 03 00 28 00",
    "64": "7f 45 4c 46 02 01 01 00 00 00 00 00 00 00 00 00 03 00 b7 00",
}


@pytest.mark.parametrize(
    ("machine", "bits", "header", "abi"),
    [
        ("aarch64", "64", "", "linux-aarch64"),
        ("aarch64", "32", HEADERS["64"], "linux-armhf"),  # Raspberry Pi OS, 32 bits on a 64-bit kernel
        ("aarch64", "", HEADERS["32"], "linux-armhf"),
        ("aarch64", "", HEADERS["64"], "linux-aarch64"),
        ("armv7l", "32", "", "linux-armhf"),
        ("armv8l", "", "", "linux-armhf"),
        ("x86_64", "64", "", "linux-x86_64"),
        ("riscv64", "64", "", "linux-riscv64"),
        ("$(reboot)", "", "", "linux-reboot"),
    ],
)
def test_the_userlands_abi(machine: str, bits: str, header: str, abi: str) -> None:
    assert linux.userland(machine, bits, header) == abi


def test_an_emulator_is_told_by_its_processor() -> None:
    intel = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu lm avx2\n"
    arm = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"
    assert linux.contradicts("android-arm64", intel)
    assert linux.contradicts("linux-aarch64", intel)
    assert not linux.contradicts("linux-aarch64", arm)
    assert linux.contradicts("linux-x86_64", arm)
    assert not linux.contradicts("linux-x86_64", intel)
    assert not linux.contradicts("linux-aarch64", "")
    assert linux.cpu_features(arm) == ["fp", "asimd"]


def test_this_machine_may_be_emulated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host_facts.facts()["emulated"] is None
    assert host_facts.facts()["os"]
    arm = platform.machine() in ("aarch64", "arm64")
    other = "vendor_id\t: GenuineIntel\nflags\t\t: lm\n" if arm else "CPU implementer\t: 0x41\n"
    monkeypatch.setattr(host_facts, "_read", lambda path: other if path == "/proc/cpuinfo" else None)
    assert "by an emulator" in host_facts.facts()["emulated"]


@pytest.mark.parametrize(
    ("props", "emulated"),
    [
        ({"ro.boot.qemu": "1"}, True),
        ({"ro.kernel.qemu": "1"}, True),
        ({"ro.hardware": "ranchu"}, True),
        ({"ro.hardware": "goldfish"}, True),
        ({"ro.hardware": "cutf_cvm"}, True),
        ({"ro.hardware": "shiba", "ro.boot.qemu": "0"}, False),
    ],
)
def test_an_android_emulator_is_told_by_its_properties(props: dict[str, str], emulated: bool) -> None:
    assert bool(linux.emulated_android(props)) == emulated


THERMAL = """\
IsStatusOverride: false
ThermalEventListeners:
Thermal Status: 2
Cached temperatures:
 Temperature{mValue=61.5, mType=0, mName=CPU0, mStatus=0}
 Temperature{mValue=72.25, mType=0, mName=CPU1, mStatus=2}
 Temperature{mValue=99.0, mType=3, mName=SKIN, mStatus=0}
"""


def test_a_phones_state() -> None:
    found = {
        "stat": "cpu  1 1 1 1 1\ncpu0 10 0 10 100 0 0 0 0 0 0\ncpu1 1 1 1 1 1 1 1 1\n",
        "cores": "0 1800000 schedutil -\n7 2850000 powersave 3",
        "zones": "0 45000\n1 -274000\n2 junk",
        "load": "0.50 0.40 0.30 1/2 3",
        "thermal": THERMAL,
        "battery": "  AC powered: false\n  USB powered: true\n  level: 80\n  temperature: 301\n",
        "power": "  mWakefulness=Awake",
        "low_power": "1",
    }
    state = far_facts.state_of(found, [0], "pixel")
    assert (state["busy_ticks"], state["total_ticks"]) == (20, 120)
    assert state["frequency_khz"] == [1800000, 2850000]
    assert state["governors"] == ["schedutil", "powersave"]
    assert state["thermal_throttle_count"] == 3
    assert (state["thermal_status"], state["temperature_c"]) == (2, 72.25)
    assert state["low_power_mode"] is True
    assert state["charging"] is True
    assert state["battery"] == {"level": 80, "temperature": 301}
    assert state["screen"] == "Awake"


def test_a_thermal_status_that_somebody_overrode_is_refused() -> None:
    with pytest.raises(DeviceError, match="overridden"):
        far_facts.state_of({"thermal": THERMAL.replace("false", "true")}, [0], "pixel")


@pytest.mark.parametrize(
    ("text", "under"),
    [("throttled=0x0", False), ("throttled=0x50005", True), ("50000", False), ("throttled=0x1", True)],
)
def test_a_raspberry_pis_under_voltage(text: str, under: bool) -> None:
    assert far_facts.state_of({"throttled": text}, [0], "pi")["under_voltage"] is under


@pytest.mark.parametrize("junk", ["", "\0\1\2", "cores", "a b c\nd", "1 2 3 4 5 6 7 8 9", "9" * 400])
def test_a_state_of_junk_has_no_facts(junk: str) -> None:
    found = dict.fromkeys(("stat", "cores", "zones", "load", "thermal", "battery", "power", "low_power"), junk)
    state = far_facts.state_of(found, [0], "x")
    assert state["busy_ticks"] is None
    assert state["thermal_status"] is None


def test_lists_of_cores() -> None:
    assert linux.cpu_list("0-3,7") == [0, 1, 2, 3, 7]
    assert linux.cpu_list("") == linux.cpu_list("$(x)") == []
    assert len(linux.cpu_list("0-9999")) <= 4097


def test_sections_belong_to_their_own_mark() -> None:
    text = "noise\nM one\n1\nX two\n2\n\nM three\n\n"
    assert linux.sections(text, "M") == {"one": "1\nX two\n2", "three": ""}


def test_times_of_a_shell() -> None:
    assert _child_seconds(["m exit 0", "0m0.01s 0m0.02s", "1m2.50s 0m0.25s"]) == 62.75
    assert _child_seconds(["m exit 0"]) is None


def test_words_of_a_script_are_quoted() -> None:
    assert fill("cd @FOLDER@; sleep @SECONDS@", folder="a'b; x", seconds=3) == "cd 'a'\"'\"'b; x'; sleep 3"


@pytest.mark.parametrize(
    ("profile", "phone"),
    [("pixel", "Google Pixel 8"), ("galaxy", "samsung SM-S911B"), ("android", ""), ("xiaomi", "Xiaomi 2201123G")],
)
def test_profiles_of_phones(profile: str, phone: str) -> None:
    pattern = PROFILES[profile].phone
    assert pattern is not None
    assert pattern.search(phone)
    assert profile == "android" or not pattern.search("Fairphone FP5")
