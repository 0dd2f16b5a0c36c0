"""What a phone or board is and in what state: one script each, read without root and without changing anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from repbnn_edge.devices import linux
from repbnn_edge.devices.shell import Shell, call, new_mark
from repbnn_edge.errors import DeviceError

_FACTS = r"""
m=@MARK@
s() { echo; echo "$m $1"; }
s getprop; command -v getprop >/dev/null 2>&1 && getprop
s machine; uname -m
s kernel; uname -r
s bits; getconf LONG_BIT 2>/dev/null
s page; getconf PAGE_SIZE 2>/dev/null || getconf PAGESIZE 2>/dev/null
s ticks; getconf CLK_TCK 2>/dev/null
s libc; getconf GNU_LIBC_VERSION 2>/dev/null || ls /lib/ld-musl-* 2>/dev/null
s header; head -c 20 /bin/sh 2>/dev/null | od -An -v -tx1 2>/dev/null
s cpuinfo; cat /proc/cpuinfo 2>/dev/null
s memory; cat /proc/meminfo 2>/dev/null | head -n 1
s model; cat /proc/device-tree/model 2>/dev/null
s compatible; cat /proc/device-tree/compatible 2>/dev/null | tr '\0' ' '
s product; cat /sys/class/dmi/id/product_name 2>/dev/null
s os; cat /etc/os-release 2>/dev/null
s hostname; cat /proc/sys/kernel/hostname 2>/dev/null
s identity; cat /etc/machine-id 2>/dev/null
s allowed; cat /proc/self/status 2>/dev/null | grep Cpus_allowed_list
s home; echo "cache=$XDG_CACHE_HOME"; echo "home=$HOME"
s user; id -u
s cores
for c in /sys/devices/system/cpu/cpu[0-9]*; do
  [ -d "$c" ] || continue
  echo "${c##*cpu}" $(cat "$c/cpufreq/cpuinfo_max_freq" 2>/dev/null || echo -) \
    $(cat "$c/cpufreq/scaling_governor" 2>/dev/null || echo -)
done
:
"""

_STATE = r"""
m=@MARK@
s() { echo; echo "$m $1"; }
s stat; cat /proc/stat 2>/dev/null
s load; cat /proc/loadavg 2>/dev/null
s cores
for c in @CORES@; do
  p=/sys/devices/system/cpu/cpu$c
  echo $c $(cat $p/cpufreq/scaling_cur_freq 2>/dev/null || echo -) \
    $(cat $p/cpufreq/scaling_governor 2>/dev/null || echo -) \
    $(cat $p/thermal_throttle/core_throttle_count 2>/dev/null || echo -)
done
s zones
for z in /sys/class/thermal/thermal_zone*; do
  [ -r "$z/temp" ] && echo "${z##*zone}" $(cat "$z/temp" 2>/dev/null)
done
if command -v dumpsys >/dev/null 2>&1; then
  s thermal; dumpsys thermalservice 2>/dev/null | head -n 60
  s battery; dumpsys battery 2>/dev/null
  s power; dumpsys power 2>/dev/null | grep mWakefulness=
  s low_power; settings get global low_power 2>/dev/null
fi
s throttled; vcgencmd get_throttled 2>/dev/null || \
  cat /sys/devices/platform/soc/soc:firmware/get_throttled 2>/dev/null
:
"""


class FarFacts:
    """The facts of one device, asked for once, and its state, asked for each time."""

    def __init__(self, shell: Shell, name: str) -> None:
        self._shell, self._name = shell, name
        mark = new_mark()
        self._found = linux.sections(call(shell, _FACTS.replace("@MARK@", mark)).out, mark)
        self._properties = linux.properties(self._found.get("getprop", ""))

    def _get(self, section: str) -> str:
        return self._found.get(section, "")

    @property
    def is_android(self) -> bool:
        """Whether it has Android's properties."""
        return "ro.product.cpu.abi" in self._properties

    @property
    def abi(self) -> str:
        """The userland's: ``android-arm64``, ``linux-aarch64``, ``linux-armhf`` ..."""
        if self.is_android:
            abi = self._properties["ro.product.cpu.abi"]
            return {"arm64-v8a": "android-arm64", "armeabi-v7a": "android-arm"}.get(abi, f"android-{_word(abi)}")
        return linux.userland(self._get("machine"), self._get("bits"), self._get("header"))

    @property
    def homes(self) -> list[str]:
        """Folders to try, the best first."""
        if self.is_android:
            return ["/data/local/tmp"]
        named = dict(line.partition("=")[::2] for line in self._get("home").splitlines())
        cache, home = named.get("cache", ""), named.get("home", "")
        homes = [cache, f"{home}/.cache" if home.startswith("/") else ""]
        return [folder for folder in (*homes, "/var/tmp", "/tmp") if folder.startswith("/")]

    @property
    def user(self) -> str:
        """The number of the user there."""
        return _word(self._get("user")) or "0"

    @property
    def libc(self) -> tuple[str, tuple[int, ...]]:
        """``("glibc", (2, 36))``, ``("musl", ())``, ``("bionic", (34,))`` by its API level, or ``("", ())``."""
        if self.is_android:
            level = linux.number(self._properties.get("ro.build.version.sdk"))
            return "bionic", (level,) if level is not None else ()
        match = re.search(r"glibc (\d+)\.(\d+)", self._get("libc"))
        if match:
            return "glibc", (int(match[1]), int(match[2]))
        return ("musl", ()) if "ld-musl" in self._get("libc") else ("", ())

    def usable_cores(self) -> list[int]:
        """The cores that a process there may run on."""
        allowed = linux.cpu_list(self._get("allowed").partition(":")[2])
        known = [core["id"] for core in self._cores()]
        return [core for core in known if core in allowed] if allowed else known

    def report(self) -> dict[str, Any]:
        """The ``device`` of a bench report; serial numbers appear as hashes only."""
        props, info = self._properties, linux.cpuinfo(self._get("cpuinfo"))
        memory = re.search(r"(\d+) kB", self._get("memory"))
        return {
            "transport": self._shell.transport,
            "id_hash": self._identity(),
            "model": self._model(),
            "soc_model": self._soc() or info.get("Hardware") or info.get("model name"),
            "abi": self.abi,
            "kernel": self._get("kernel") or None,
            "page_size_bytes": linux.number(self._get("page")),
            "total_ram_bytes": int(memory[1]) * 1024 if memory else None,
            "cpu_features": linux.cpu_features(self._get("cpuinfo")),
            "cores": self._cores(),
            "os": props.get("ro.build.fingerprint") or linux.os_name(self._get("os")),
            "libc": " ".join([self.libc[0], ".".join(map(str, self.libc[1]))]).strip() or None,
            "emulated": linux.emulated(self.abi, self._get("cpuinfo")) or linux.emulated_android(props),
        }

    def state(self, cores: Sequence[int]) -> dict[str, Any]:
        """The state of ``cores`` now.

        Raises:
            DeviceError: the phone's thermal status is overridden, so what it says of its heat is not true.
        """
        mark = new_mark()
        script = _STATE.replace("@MARK@", mark).replace("@CORES@", " ".join(str(int(core)) for core in cores))
        return state_of(linux.sections(call(self._shell, script).out, mark), cores, self._name) | {
            "ticks_per_second": linux.number(self._get("ticks")) or 100
        }

    def _cores(self) -> list[dict[str, Any]]:
        cores = []
        for line in self._get("cores").splitlines():
            fields = line.split()
            core = linux.number(fields[0]) if fields else None
            if core is not None and len(fields) >= 2:
                governor = fields[2] if len(fields) > 2 and fields[2] != "-" else None
                cores.append({"id": core, "max_khz": linux.number(fields[1]), "governor": governor})
        return sorted(cores, key=lambda core: int(core["id"]))

    def _identity(self) -> str:
        serial = self._properties.get("ro.serialno") or self._get("identity") or self._get("hostname")
        return linux.hashed(serial)

    def _model(self) -> str | None:
        props = self._properties
        phone = f"{props.get('ro.product.manufacturer', '')} {props.get('ro.product.model', '')}".strip()
        return phone or self._get("model") or self._get("product") or self._get("hostname") or None

    def _soc(self) -> str | None:
        props = self._properties
        named = f"{props.get('ro.soc.manufacturer', '')} {props.get('ro.soc.model', '')}".strip()
        chip = self._get("compatible").split()[-1:] or [""]
        return named or props.get("ro.board.platform") or props.get("ro.hardware") or chip[0] or None


def state_of(found: dict[str, str], cores: Sequence[int], name: str) -> dict[str, Any]:
    """The sections of the state script as ``benching.verdicts.of_environment`` wants them.

    Raises:
        DeviceError: the thermal status is overridden.
    """
    rows = [line.split() for line in found.get("cores", "").splitlines()]
    frequencies = [value for row in rows if len(row) > 1 and (value := linux.number(row[1])) is not None]
    throttles = [value for row in rows if len(row) > 3 and (value := linux.number(row[3])) is not None]
    busy, total = linux.ticks(found.get("stat", ""), cores)
    zones = dict(line.split(None, 1) for line in found.get("zones", "").splitlines() if len(line.split()) > 1)
    load = re.match(r"([\d.]+) ([\d.]+) ([\d.]+)", found.get("load", ""))
    state: dict[str, Any] = {
        "thermal_throttle_count": sum(throttles) if throttles else None,
        "frequency_khz": frequencies,
        "governors": [row[2] for row in rows if len(row) > 2 and row[2] != "-"],
        "temperature_c": linux.highest_temperature(zones),
        "load": [float(value) for value in load.groups()] if load else None,
        "busy_ticks": busy,
        "total_ticks": total,
    }
    throttled = re.search(r"(?:0x)?([0-9a-fA-F]+)\s*$", found.get("throttled", "").rpartition("=")[2])
    if throttled and found.get("throttled"):
        # Bits of the Raspberry Pi's firmware: 0 under-voltage now, 16 since it was started.
        bits = int(throttled[1], 16)
        state |= {"under_voltage": bool(bits & 0x1), "throttled_bits": f"{bits:#x}"}
    return state | _android_state(found, name) if "thermal" in found else state


def _android_state(found: dict[str, str], name: str) -> dict[str, Any]:
    thermal, battery = found["thermal"], found.get("battery", "")
    if re.search(r"IsStatusOverride:\s*true", thermal):
        raise DeviceError(
            name,
            "its thermal status is overridden, so it does not say when it is hot",
            "reset it with `adb shell cmd thermalservice reset`",
        )
    status = re.search(r"Thermal Status:\s*(\d+)", thermal)
    chips = re.findall(r"Temperature\{mValue=([-\d.]+), mType=0\b", thermal)
    state: dict[str, Any] = {
        "thermal_status": int(status[1]) if status else None,
        "low_power_mode": found.get("low_power", "").strip() == "1",
        "battery": {
            key.replace(" ", "_"): linux.number(value.strip())
            for key, value in re.findall(r"^\s*(level|temperature|status|voltage):\s*(-?\d+)\s*$", battery, re.M)
        },
        "charging": any(flag == "true" for flag in re.findall(r"^\s*\w+ powered:\s*(\w+)", battery, re.M)),
        "screen": (re.search(r"mWakefulness=(\w+)", found.get("power", "")) or [None, None])[1],
    }
    values = [float(chip) for chip in chips if re.fullmatch(r"-?\d+(\.\d+)?", chip)]
    return state | ({"temperature_c": max(values)} if values else {})


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "", text)[:20]
