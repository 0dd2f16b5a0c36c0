"""What a Linux kernel tells of itself, read out of its own texts; Android's is one of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

_X86 = re.compile(r"^(vendor_id\s*:.*(Intel|AMD)|flags\s*:.*\blm\b)", re.MULTILINE)
_ARM = re.compile(r"^CPU implementer\s*:", re.MULTILINE)


def cpuinfo(text: str) -> dict[str, str]:
    """/proc/cpuinfo, the first value of each key."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, _, value in reversed(list(pairs))}


def cpu_features(text: str) -> list[str]:
    """What the cores can do, as the kernel names it."""
    info = cpuinfo(text)
    return (info.get("flags") or info.get("Features") or "").split()


def contradicts(abi: str, cpuinfo_text: str) -> bool:
    """Whether /proc/cpuinfo is of another kind of processor than a program's ABI: it then runs in an emulator."""
    arm = abi.endswith(("arm64", "aarch64", "armhf"))
    return bool(_X86.search(cpuinfo_text)) if arm else bool(_ARM.search(cpuinfo_text))


def ticks(stat: str, cores: Iterable[int]) -> tuple[int | None, int | None]:
    """Busy and all ticks of ``cores`` in /proc/stat; None where it has none of them."""
    busy = total = 0
    found = False
    wanted = {f"cpu{core}" for core in cores}
    for line in stat.splitlines():
        name, *fields = line.split() or [""]
        if name in wanted:
            values = [int(field) for field in fields[:8] if field.isdigit()]
            if len(values) >= 5:
                found = True
                total += sum(values)
                busy += sum(values) - values[3] - values[4]  # idle and iowait
    return (busy, total) if found else (None, None)


def number(text: str | None) -> int | None:
    """A whole number, or None for anything else."""
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,18}", text.strip()) else None


def cpu_list(text: str) -> list[int]:
    """``0-3,7`` as numbers; empty where it is none."""
    if not re.fullmatch(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*", text.strip()):
        return []
    cores: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cores.extend(range(int(first), min(int(last or first), int(first) + 4096) + 1))
    return cores


def userland(machine: str, long_bit: str, shell_header: str) -> str:
    """The ABI that programs of a Linux system have, which is not always the kernel's.

    A 32-bit Raspberry Pi OS runs on a 64-bit kernel, whose uname says aarch64. So the word length is that of the C
    library (``getconf LONG_BIT``), or, where there is no getconf, that of the shell's own ELF header.

    Args:
        machine: ``uname -m``.
        long_bit: ``getconf LONG_BIT``, or empty.
        shell_header: the first 20 bytes of /bin/sh as od prints them, or empty.
    """
    family = "arm" if machine.startswith(("aarch64", "arm")) else machine
    header = shell_header.split()
    bits = long_bit.strip()
    if bits not in ("32", "64"):
        bits = {"01": "32", "02": "64"}.get(header[4], "") if len(header) >= 20 else ""
    if not bits:
        bits = "64" if machine in ("aarch64", "x86_64") else "32"
    if family == "arm":
        return "linux-aarch64" if bits == "64" else "linux-armhf"
    if family in ("x86_64", "i686", "i386"):
        return "linux-x86_64" if bits == "64" else "linux-i386"
    return f"linux-{re.sub(r'[^A-Za-z0-9_]', '', machine)[:20] or 'unknown'}"


def hashed(identity: str) -> str:
    """A serial number or its like, as reports tell it: 16 hexadecimal digits of its sha256."""
    return hashlib.sha256(f"repbnn:{identity}".encode()).hexdigest()[:16]


def os_name(release: str) -> str | None:
    """What /etc/os-release calls the system: ``Debian GNU/Linux 12 (bookworm)``."""
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', release, re.MULTILINE)
    return match[1] if match else None


def emulated(abi: str, cpuinfo_text: str) -> str | None:
    """Why programs of an ABI run in an emulator, or None."""
    if contradicts(abi, cpuinfo_text):
        return f"{abi} programs run on another kind of processor, by an emulator"
    return None


def highest_temperature(zones: Mapping[str, str]) -> float | None:
    """The hottest zone that a thermometer can show, in degrees Celsius; zones come in thousandths or in degrees."""
    values = [value for text in zones.values() if (value := number(text)) is not None]
    degrees = [value / 1000 if abs(value) >= 1000 else float(value) for value in values]
    likely = [value for value in degrees if 0 < value < 130]
    return max(likely) if likely else None


def properties(text: str) -> dict[str, str]:
    """What ``getprop`` prints: ``[ro.product.model]: [Pixel 8]``."""
    return dict(re.findall(r"^\[([^\]]+)\]: \[(.*)\]$", text, re.MULTILINE))


def sections(text: str, mark: str) -> dict[str, str]:
    """Text behind lines ``MARK name``, by name."""
    parts = re.split(rf"^{re.escape(mark)} (\S+)\n?", text, flags=re.MULTILINE)
    return {name: body.strip("\n\0 ") for name, body in zip(parts[1::2], parts[2::2], strict=False)}


def emulated_android(props: Mapping[str, Any]) -> str | None:
    """Why an Android is an emulator's, or None."""
    if props.get("ro.boot.qemu") == "1" or props.get("ro.kernel.qemu") == "1":
        return "it is an Android emulator"
    hardware = str(props.get("ro.hardware", ""))
    if hardware in ("goldfish", "ranchu") or hardware.startswith("cutf"):
        return f"its hardware is {hardware}, an emulator's"
    return None
