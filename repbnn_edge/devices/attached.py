"""What hangs on this machine over adb now: one entry a device, whichever way it is connected."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from repbnn_edge.devices import adb_server, linux
from repbnn_edge.devices.adb import AdbShell
from repbnn_edge.devices.adb_server import AdbRow
from repbnn_edge.devices.shell import call
from repbnn_edge.errors import DeviceError

_ASK_SECONDS = 3.0
_ASKED = "ro.serialno ro.product.manufacturer ro.product.model ro.product.cpu.abi"


@dataclass(frozen=True)
class Attached:
    """A device that the adb server knows.

    Attributes:
        serial: what adb calls it; of several ways to it, the best one's.
        state: adb's word, ``device`` where it can be used.
        hardware: its own serial number, ``ro.serialno``; empty where it does not say.
        model: maker and model; empty where it does not say.
        abi: ``ro.product.cpu.abi``; empty where it does not say.
        others: the serials of the other ways to it.
    """

    serial: str
    state: str
    hardware: str = ""
    model: str = ""
    abi: str = ""
    others: tuple[str, ...] = ()

    def called(self, serial: str) -> bool:
        """Whether a serial is exactly one of its."""
        return serial in (self.serial, *self.others) or (bool(self.hardware) and serial == self.hardware)


def attached(*, start: bool) -> tuple[str | None, list[Attached]]:
    """The adb client to use, and the devices; none of both where no server runs and none shall be started.

    Raises:
        DeviceError: no adb, or none that fits the running server.
    """
    program = adb_server.client(start=start)
    if program is None:
        return None, []
    rows = adb_server.rows()
    with ThreadPoolExecutor(max_workers=16) as pool:
        found = list(pool.map(lambda row: _ask(program, row), rows))
    return program, merged(list(zip(rows, found, strict=True)))


def merged(found: list[tuple[AdbRow, Attached]]) -> list[Attached]:
    """One entry for each ``ro.serialno``: a usable way before one that is not, a cable before Wi-Fi."""
    groups: dict[str, list[tuple[AdbRow, Attached]]] = {}
    for row, device in found:
        groups.setdefault(device.hardware or f"\0{device.serial}", []).append((row, device))
    # A phone that is offline over one way does not say who it is; its cable's serial does.
    for key in [key for key in groups if key.startswith("\0") and key[1:] in groups]:
        groups[key[1:]] += groups.pop(key)
    devices = []
    for ways in groups.values():
        ways.sort(key=lambda way: (way[1].state != "device", not way[0].by_usb))
        best = ways[0][1]
        others = tuple(way[1].serial for way in ways[1:])
        devices.append(Attached(best.serial, best.state, best.hardware, best.model, best.abi, others))
    return devices


def _ask(program: str, row: AdbRow) -> Attached:
    if row.state != "device":
        return Attached(row.serial, row.state, model=row.details.get("model", "").replace("_", " "))
    script = f'for p in {_ASKED}; do echo "[$p]: [$(getprop $p)]"; done'
    try:
        props = linux.properties(call(AdbShell(program, row.serial), script, _ASK_SECONDS).out)
    except DeviceError:
        return Attached(row.serial, "offline")
    model = f"{props.get('ro.product.manufacturer', '')} {props.get('ro.product.model', '')}".strip()
    return Attached(row.serial, row.state, props.get("ro.serialno", ""), model, props.get("ro.product.cpu.abi", ""))
