"""The shell of a device at the far end of adb or ssh: scripts go in, what they print comes out.

Whatever a login script prints before ours is dropped: a script's own output begins behind a mark that nobody can guess,
and ends with a mark that carries its exit code. Where the second mark is missing the connection was lost.
"""

from __future__ import annotations

import secrets
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from repbnn_edge.errors import DeviceError

CALL_SECONDS = 30.0


class Shell(Protocol):
    """One road to one device, over the user's own client program."""

    @property
    def name(self) -> str:
        """What messages call the device."""

    @property
    def transport(self) -> str:
        """``adb`` or ``ssh``."""

    @property
    def environment(self) -> dict[str, str] | None:
        """The environment of the client program; None for ours."""

    def command(self, script: str) -> list[str]:
        """The client's command line that runs ``script`` in the device's shell, its stdin and stdout ours."""

    def push(self, local: Path, remote: str) -> None:
        """Copy a file to the device.

        Raises:
            DeviceError: as ``explain``, or the device's storage is full.
        """

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from the device.

        Raises:
            DeviceError: as ``explain``.
        """

    def explain(self, said: str) -> DeviceError:
        """Why a call did not come through, from what the client program said."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True)
class Answer:
    """What a script printed, and how it ended."""

    code: int
    out: str
    errors: str


def new_mark() -> str:
    """A word that no device prints by chance."""
    return f"repbnn-{secrets.token_hex(8)}"


def call(shell: Shell, script: str, seconds: float = CALL_SECONDS) -> Answer:
    """Run a short script to its end.

    Raises:
        DeviceError: the device could not be reached, or was lost on the way.
    """
    mark = new_mark()
    command = shell.command(f"echo {mark}\n({script}\n)\nr=$?; echo; echo {mark} $r")
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            env=shell.environment,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise lost(shell, f"it did not answer within {seconds:g} s") from error
    except OSError as error:
        raise DeviceError(command[0], f"it cannot be run ({error.strerror})", "install it again") from error
    errors = done.stderr.decode("utf-8", "replace")
    _, began, rest = done.stdout.decode("utf-8", "replace").replace("\r\n", "\n").partition(f"{mark}\n")
    out, ended, code = rest.rpartition(f"\n{mark} ")
    if not began or not ended or not code.strip().isdigit():
        raise shell.explain(errors.strip() or f"it answered {rest[-200:]!r}")
    return Answer(int(code), out, errors)


def lost(shell: Shell, why: str) -> DeviceError:
    """The error of a connection that went in the middle of something."""
    return DeviceError(shell.name, f"the connection was lost ({why})", "check the cable or network, and run it again")


def full(shell: Shell, where: str) -> DeviceError:
    """The error of a device without room."""
    return DeviceError(
        shell.name,
        f"its storage is full ({where})",
        "free some space there, or empty our cache with `repbnn-edge devices clean`",
    )


def quote(text: str) -> str:
    """A word of a device's shell that stands for exactly ``text``."""
    return shlex.quote(text)
