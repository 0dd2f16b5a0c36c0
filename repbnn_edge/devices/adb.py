"""Android over the user's own adb client."""

from __future__ import annotations

import subprocess
from pathlib import Path

from repbnn_edge.devices import adb_server
from repbnn_edge.devices.shell import full, lost
from repbnn_edge.errors import DeviceError

_TRANSFER_SECONDS = 600.0

UDEV = (
    'echo \'SUBSYSTEM=="usb", ATTR{idVendor}=="18d1", MODE="0660", GROUP="plugdev", TAG+="uaccess"\' | '
    "sudo tee /etc/udev/rules.d/51-android.rules && sudo udevadm control --reload && sudo udevadm trigger "
    "(18d1 is Google; `lsusb` shows another maker's)"
)

STATES = {
    "unauthorized": (
        "it has not allowed this computer",
        "unlock it and accept 'Allow USB debugging?'; without a question: revoke USB debugging authorisations in its "
        "developer options and plug it in again",
    ),
    "no permissions": (
        "this user may not open its USB device",
        f"plug it in again after: {UDEV}",
    ),
    "authorizing": ("it is being asked to allow this computer", "accept the question on its screen and run it again"),
    "connecting": ("it is just being connected", "wait a second and run it again"),
    "offline": (
        "it is offline: it does not answer",
        "plug it in again, or for Wi-Fi: adb disconnect and adb connect; then switch USB debugging off and on",
    ),
    "recovery": ("it is in recovery mode", "restart it into Android: adb reboot"),
    "rescue": ("it is in rescue mode", "restart it into Android: adb reboot"),
    "sideload": ("it is in sideload mode", "restart it into Android: adb reboot"),
    "bootloader": ("it is in its bootloader", "restart it into Android: fastboot reboot"),
    "host": ("it is in host mode", "plug it in again"),
    "detached": ("another program uses it", "end the other program, or `adb attach` it"),
    "unknown": ("its state is not known", "plug it in again"),
}
"""State of adb -> why nothing can run there, and what to do."""


def state_error(serial: str, state: str) -> DeviceError:
    """The sentence for a device that is attached and cannot be used."""
    why, do = STATES.get(state, STATES["unknown"])
    return DeviceError(serial, why, do)


class AdbShell:
    """See ``shell.Shell``."""

    transport = "adb"
    environment: dict[str, str] | None = None

    def __init__(self, program: str, serial: str, name: str = "") -> None:
        self._program, self.serial = program, serial
        self.name = name or serial

    def command(self, script: str) -> list[str]:
        """One argument: adb hands it to the device's shell as it is."""
        return [self._program, "-s", self.serial, "shell", script]

    def push(self, local: Path, remote: str) -> None:
        """By adb's sync service, which knows no shell."""
        self._transfer("push", str(local.resolve()), remote)

    def pull(self, remote: str, local: Path) -> None:
        """By adb's sync service."""
        self._transfer("pull", remote, str(local.resolve()))

    def explain(self, said: str) -> DeviceError:
        """What the server knows of it now is a better reason than what the client printed."""
        for row in adb_server.rows():
            if row.serial == self.serial:
                return lost(self, self._last_line(said)) if row.state == "device" else state_error(self.name, row.state)
        return DeviceError(self.name, "it is not attached any more", "plug it in and run it again")

    def close(self) -> None:
        """Nothing is held: the server keeps the connection."""

    def _transfer(self, *arguments: str) -> None:
        command = [self._program, "-s", self.serial, *arguments]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TRANSFER_SECONDS,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise lost(self, f"a file was not copied within {_TRANSFER_SECONDS:g} s") from error
        if done.returncode != 0:
            said = (done.stderr + done.stdout).decode("utf-8", "replace").strip()
            if "No space left" in said:
                raise full(self, self._last_line(said))
            raise self.explain(said)

    def _last_line(self, text: str) -> str:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1][:200].replace(self.serial, self.name) if lines else "no reason given"
