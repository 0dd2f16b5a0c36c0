"""From the word after ``--device`` to a device, in the order that docs/devices.md promises.

``host``; an ``adb:SERIAL`` or ``ssh:USER@HOST`` prefix; a name in devices.toml; a built-in profile; an exact serial;
``user@host``. An unknown word is a usage error with the nearest known one; a known one with nothing attached is a
device error.
"""

from __future__ import annotations

import difflib
import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from repbnn_edge.devices import linux, registry
from repbnn_edge.devices.adb import AdbShell, state_error
from repbnn_edge.devices.adb_server import programs
from repbnn_edge.devices.attached import Attached, attached
from repbnn_edge.devices.host import HostDevice
from repbnn_edge.devices.interface import Device
from repbnn_edge.devices.profiles import PROFILES, Profile
from repbnn_edge.devices.registry import NamedDevice
from repbnn_edge.devices.remote import RemoteDevice
from repbnn_edge.devices.ssh import SshShell, check_destination
from repbnn_edge.errors import DeviceError, UsageError

_SSH_PORT = 22
_KNOCK_SECONDS = 1.0


def open_devices(words: Sequence[str], runtime_library: Path | None = None) -> list[Device]:
    """The devices that ``words`` name, each once; connections are open, nothing is on the devices yet.

    Raises:
        UsageError: an unknown word.
        DeviceError: a known one with nothing attached, or that cannot be reached.
    """
    found: list[Device] = []
    try:
        for word in dict.fromkeys(words):
            found.append(open_device(word, runtime_library))
    except BaseException:
        for device in found:
            device.close()
        raise
    return found


def open_device(word: str, runtime_library: Path | None = None) -> Device:
    """One device; see ``open_devices``."""
    if word == "host":
        return HostDevice()
    if word.startswith(("adb:", "ssh:")):
        return _by_target(word, NamedDevice(word, word), runtime_library)
    named = registry.load()
    if word in named:
        return _by_target(named[word].target, named[word], runtime_library)
    if word in PROFILES:
        return _by_profile(PROFILES[word], named, runtime_library)
    if "@" in word:
        serial = _by_serial(word, runtime_library, wait=False)
        return serial or _over_ssh(word, NamedDevice(word, word), runtime_library)
    serial = _by_serial(word, runtime_library, wait=True)
    if serial is None:
        raise _unknown(word, named)
    return serial


def check_target(target: str) -> None:
    """Raise UsageError unless ``target`` is ``adb:SERIAL`` or ``ssh:USER@HOST``."""
    kind, _, rest = target.partition(":")
    if kind == "ssh":
        check_destination(rest)
    elif kind != "adb" or not rest or not rest.isprintable():
        raise UsageError(target, "it is neither adb:SERIAL nor ssh:USER@HOST", "see `repbnn-edge devices`")


def _by_target(target: str, named: NamedDevice, library: Path | None) -> Device:
    check_target(target)
    kind, _, rest = target.partition(":")
    if kind == "ssh":
        return _over_ssh(rest, named, library)
    program, devices = attached(start=True)
    match = [device for device in devices if device.called(rest)]
    if not match or program is None:
        raise DeviceError(named.name, f"no {rest} is attached", "plug it in; `repbnn-edge devices` shows what is there")
    return _phone(program, match[0], named, library)


def _over_ssh(destination: str, named: NamedDevice, library: Path | None) -> Device:
    shell = SshShell(destination)
    shell.connect()
    return _closing(shell.close, lambda: RemoteDevice(shell, named.name, named.folder, library))


def _closing(close: Callable[[], None], make: Callable[[], Device]) -> Device:
    try:
        return make()
    except BaseException:
        close()
        raise


def _phone(program: str, device: Attached, named: NamedDevice, library: Path | None) -> Device:
    if device.state != "device":
        raise state_error(named.name, device.state)
    name = named.name
    if device.called(name.removeprefix("adb:")):  # reports have serial numbers as hashes only
        name = f"{device.model or 'Android'} {linux.hashed(device.hardware or device.serial)[:6]}"
    return RemoteDevice(AdbShell(program, device.serial, name), name, named.folder, library)


def _by_profile(profile: Profile, named: dict[str, NamedDevice], library: Path | None) -> Device:
    itself = NamedDevice(profile.name, profile.name)
    if profile.board is not None:
        return _board(profile, itself, named, library)
    program, devices = attached(start=True)
    assert profile.phone is not None
    usable = [device for device in devices if device.state == "device" and profile.phone.search(device.model)]
    chosen = _one(profile, usable)
    if chosen is not None and program is not None:
        return _phone(program, chosen, itself, library)
    # One that does not let us ask may be the one that is meant.
    silent = [device for device in devices if device.state != "device" and _may_be(profile, device)]
    if silent:
        raise state_error(f"{profile.name} ({silent[0].serial})", silent[0].state)
    raise DeviceError(profile.name, f"no {profile.shown} is attached", "plug one in, and allow USB debugging on it")


def _may_be(profile: Profile, device: Attached) -> bool:
    assert profile.phone is not None
    return not device.model or bool(profile.phone.search(device.model))


def _one(profile: Profile, devices: list[Attached]) -> Attached | None:
    """The only one; of several, the one that ANDROID_SERIAL names."""
    wanted = os.environ.get("ANDROID_SERIAL", "")
    if len(devices) > 1:
        chosen = [device for device in devices if device.called(wanted)]
        if len(chosen) != 1:
            serials = ", ".join(f"adb:{device.serial}" for device in devices)
            raise DeviceError(profile.name, f"{len(devices)} match: {serials}", "give one of these to --device")
        return chosen[0]
    return devices[0] if devices else None


def _board(profile: Profile, itself: NamedDevice, named: dict[str, NamedDevice], library: Path | None) -> Device:
    assert profile.board is not None
    known = [device for device in named.values() if device.model and profile.board.search(device.model)]
    if len(known) > 1:
        names = ", ".join(device.name for device in known)
        raise DeviceError(profile.name, f"{len(known)} match: {names}", "give one of these to --device")
    if known:
        return _by_target(known[0].target, known[0], library)
    with ThreadPoolExecutor(max_workers=len(profile.hosts)) as pool:
        answers = list(pool.map(knock, profile.hosts))
    for host, answered in zip(profile.hosts, answers, strict=True):
        if answered:
            return _over_ssh(host, itself, library)
    raise DeviceError(
        profile.name,
        f"no {profile.shown} answers at {' or '.join(profile.hosts)}",
        "give user@host, or name it once: repbnn-edge devices add NAME ssh:user@host",
    )


def knock(host: str, port: int = _SSH_PORT) -> bool:
    """Whether something listens at ``host`` within a second."""
    try:
        socket.create_connection((host, port), timeout=_KNOCK_SECONDS).close()
    except (OSError, UnicodeError):
        return False
    return True


def _by_serial(word: str, library: Path | None, *, wait: bool) -> Device | None:
    """A device of exactly this serial. Without adb nothing is attached, which is no error here.

    Raises:
        DeviceError: ``wait``, and there is an adb, but none that may talk to the running server.
    """
    try:
        program, devices = attached(start=wait)
    except DeviceError:
        if wait and any(programs()):
            raise
        return None
    match = [device for device in devices if device.called(word)]
    if not match or program is None:
        return None
    return _phone(program, match[0], NamedDevice(word, f"adb:{word}"), library)


def _unknown(word: str, named: dict[str, NamedDevice]) -> UsageError:
    known = ["host", *named, *PROFILES]
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "see `repbnn-edge devices`"
    return UsageError(f"--device {word}", "no device is called so", hint)
