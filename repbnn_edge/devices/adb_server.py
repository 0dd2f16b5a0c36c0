"""Questions to a running adb server, over its own socket: asking this way never starts one and never kills one.

The adb client ends a server of another version by itself, and with it what other programs do with their phones. So the
server's version is asked first, and only a client of the same version is ever run.
Protocol: four hex digits of length and the request; ``OKAY`` or ``FAIL``; four hex digits and the answer.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from repbnn_edge.errors import DeviceError, UsageError

DEFAULT_PORT = 5037
_SECONDS = 3.0
_START_SECONDS = 30.0
_INSTALL = "install it: sudo apt-get install adb, or brew install android-platform-tools"


@dataclass(frozen=True)
class AdbRow:
    """One line of ``adb devices -l``: its serial, its state, and what follows (``model``, ``usb``, ...)."""

    serial: str
    state: str
    details: dict[str, str] = field(default_factory=dict)

    @property
    def by_usb(self) -> bool:
        """Whether it hangs on a cable."""
        return "usb" in self.details


def port() -> int:
    """The server's port, ``ANDROID_ADB_SERVER_PORT`` or adb's own default."""
    text = os.environ.get("ANDROID_ADB_SERVER_PORT", "")
    if not text:
        return DEFAULT_PORT
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise UsageError("ANDROID_ADB_SERVER_PORT", f"{text!r} is no port", "give a number from 1 to 65535")
    return int(text)


def version() -> int | None:
    """The running server's version; None where no server runs."""
    answer = _ask("host:version")
    if answer is None:
        return None
    try:
        return int(answer, 16)
    except ValueError as error:
        raise _strange(answer) from error


def rows() -> list[AdbRow]:
    """The devices that the running server knows; none where no server runs."""
    return parse_rows(_ask("host:devices-l") or "")


_ROW = re.compile(
    r"^(?P<serial>.+?)\s+(?P<state>device|offline|unauthorized|authorizing|connecting|recovery|rescue|sideload"
    r"|bootloader|host|detached|unknown|no ?permissions\b.*?)(?P<rest>(?:\s+\w+:\S*)*)\s*$"
)


def parse_rows(text: str) -> list[AdbRow]:
    """What ``host:devices-l`` answers; a serial may have spaces (mDNS: ``adb-X (2)._adb-tls-connect._tcp``)."""
    found = []
    for line in text.splitlines():
        match = _ROW.match(line)
        if match:
            details = dict(word.split(":", 1) for word in match["rest"].split())
            if "usb" not in details and re.fullmatch(r"\d+-[\d.]+", match["rest"].strip().split(" ")[0] or ""):
                details["usb"] = match["rest"].strip().split(" ")[0]
            state = "no permissions" if match["state"].startswith("no") else match["state"]
            found.append(AdbRow(match["serial"], state, details))
    return found


def client(*, start: bool) -> str | None:
    """The adb program that may talk to the server, and whether there is anything to talk to.

    Args:
        start: start a server where none runs.

    Returns:
        Its path; None where no server runs and none shall be started.

    Raises:
        DeviceError: there is no adb, or none of the running server's version.
    """
    running = version()
    if running is None and not start:
        return None
    candidates = list(programs())
    if not candidates:
        raise DeviceError("adb", "there is no such program here", _INSTALL)
    if running is None:
        _start(candidates[0])
        return candidates[0]
    versions = []
    for program in candidates:
        own = client_version(program)
        if own == running:
            return program
        versions.append(f"{program} (1.0.{own})" if own else program)
    raise DeviceError(
        f"the adb server on port {port()}",
        f"it is of version 1.0.{running}, and {', '.join(versions)} would end it",
        "put the adb of that server first on PATH, or end the server yourself with `adb kill-server`",
    )


def programs() -> Iterator[str]:
    """Every adb of this machine, the one that a shell would run first."""
    seen = set()
    name = "adb.exe" if os.name == "nt" else "adb"
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for variable in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        if os.environ.get(variable):
            folders.append(Path(os.environ[variable]) / "platform-tools")
    home = Path.home()
    folders += [
        home / "Android" / "Sdk" / "platform-tools",
        home / "Library" / "Android" / "sdk" / "platform-tools",
        home / "AppData" / "Local" / "Android" / "Sdk" / "platform-tools",
    ]
    for folder in folders:
        found = shutil.which(name, path=str(folder))
        if found and (real := Path(found).resolve()) not in seen:
            seen.add(real)
            yield found


def client_version(program: str) -> int | None:
    """The last number of ``Android Debug Bridge version 1.0.41``; asking starts no server."""
    try:
        said = subprocess.run(
            [program, "version"], capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(rb"version \d+\.\d+\.(\d+)", said)
    return int(match[1]) if match else None


def _start(program: str) -> None:
    # Into files: a server that keeps a pipe of ours open would be waited for.
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                [program, "start-server"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                timeout=_START_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DeviceError(program, "it could not start its server", "try `adb start-server`") from error
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip().splitlines()
    if done.returncode != 0:
        why = said[-1] if said else f"exit code {done.returncode}"
        raise DeviceError(program, f"it could not start its server ({why})", "try `adb start-server`")


def _ask(request: str) -> str | None:
    """The server's answer; None where nothing listens."""
    try:
        connection = socket.create_connection(("127.0.0.1", port()), timeout=_SECONDS)
    except OSError:
        return None
    try:
        with connection:
            connection.sendall(f"{len(request):04x}{request}".encode())
            status = _exactly(connection, 4)
            answer = _exactly(connection, int(_exactly(connection, 4), 16)).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        raise _strange(str(error)) from error
    if status != b"OKAY":
        raise _strange(answer)
    return answer


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ValueError("it closed the connection")
        data += more
    return data


def _strange(answer: str) -> DeviceError:
    return DeviceError(
        f"port {port()}",
        f"what listens there does not answer as an adb server does ({answer[:80]})",
        "set ANDROID_ADB_SERVER_PORT to the server's own port",
    )
