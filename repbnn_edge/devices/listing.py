"""What can be reached now: this machine, what hangs on a running adb server, and the boards of devices.toml."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor

from pydantic import Field

from repbnn_edge.devices import host_facts, registry
from repbnn_edge.devices.adb import STATES, state_error
from repbnn_edge.devices.attached import Attached, attached
from repbnn_edge.devices.registry import NamedDevice
from repbnn_edge.devices.ssh import SshShell
from repbnn_edge.errors import RepbnnError
from repbnn_edge.reports import Report

_KNOCK_SECONDS = 1
_ANSWER_SECONDS = 4.0


class ListedDevice(Report):
    """One line of ``devices``.

    Attributes:
        name: what ``--device`` takes.
        transport: ``host``, ``adb`` or ``ssh``.
        state: adb's own word (``device`` where it can be used), ``ready`` or ``unreachable``.
        model, abi: what it says of itself; None where it does not.
        hint: what to do where it cannot be used.
    """

    name: str
    transport: str
    state: str
    model: str | None
    abi: str | None
    hint: str


class DevicesReport(Report):
    """The result of ``devices``; ``notes`` say why something could not be looked for."""

    devices: list[ListedDevice]
    notes: list[str] = Field(default_factory=list)


def list_devices() -> DevicesReport:
    """Look at what can be reached. Starts no adb server; a board that does not answer takes a second.

    Raises:
        BadInputError: devices.toml is broken.
    """
    named = list(registry.load().values())
    boards = [device for device in named if device.target.startswith("ssh:")]
    phones = {device.target: device for device in named if device.target.startswith("adb:")}
    with ThreadPoolExecutor(max_workers=max(len(boards), 1) + 1) as pool:
        adb = pool.submit(_phones, phones)
        reached = list(pool.map(_board, boards))
        listed, notes = adb.result()
    return DevicesReport(devices=[_host(), *listed, *reached], notes=notes)


def _host() -> ListedDevice:
    facts = host_facts.facts()
    return ListedDevice(
        name="host", transport="host", state="ready", model=facts["soc_model"], abi=facts["abi"], hint=""
    )


def _phones(named: dict[str, NamedDevice]) -> tuple[list[ListedDevice], list[str]]:
    notes: list[str] = []
    try:
        program, devices = attached(start=False)
        if program is None:
            notes.append("no adb server runs, so phones are not looked for: adb start-server")
    except RepbnnError as error:
        devices = []
        notes.append(str(error))
    listed = [_phone(device, named) for device in devices]
    missing = [device for target, device in named.items() if not any(found.called(target[4:]) for found in devices)]
    listed += [
        ListedDevice(name=device.name, transport="adb", state="absent", model=device.model, abi=None, hint="plug it in")
        for device in missing
    ]
    return listed, notes


def _phone(device: Attached, named: dict[str, NamedDevice]) -> ListedDevice:
    ours = next((known.name for target, known in named.items() if device.called(target[4:])), device.serial)
    hint = "" if device.state == "device" else _sentence(state_error(ours, device.state))
    if device.state not in STATES and device.state != "device":
        hint = "plug it in again"
    return ListedDevice(
        name=ours, transport="adb", state=device.state, model=device.model or None, abi=device.abi or None, hint=hint
    )


def _sentence(error: RepbnnError) -> str:
    return f"{error.why}: {error.do}"


def _board(device: NamedDevice) -> ListedDevice:
    state, hint = "ready", ""
    try:
        shell = SshShell(device.target[4:], connect_seconds=_KNOCK_SECONDS)
        said = subprocess.run(
            shell.command(":"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_SECONDS,
            start_new_session=True,
            check=False,
        )
        if said.returncode != 0:
            state, hint = "unreachable", _sentence(shell.explain(said.stderr.decode("utf-8", "replace")))
    except subprocess.TimeoutExpired:
        state, hint = "unreachable", "it does not answer: check that it is on and in this network"
    except RepbnnError as error:
        state, hint = "unreachable", _sentence(error)
    return ListedDevice(name=device.name, transport="ssh", state=state, model=device.model, abi=None, hint=hint)
