"""Boards over the user's own ssh client, with the user's own configuration and keys."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from repbnn_edge.devices.shell import call, full, lost, quote
from repbnn_edge.errors import DeviceError, UsageError
from repbnn_edge.files import new_scratch_folder

CONNECT_SECONDS = 5
_TRANSFER_SECONDS = 600.0
_DESTINATION = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]*")

_REASONS = (
    ("Host key verification failed", "its host key is not known here, or is not the one that was",
     "run `ssh {name}` once and compare the fingerprint with the board's own"),
    ("Permission denied", "it lets nobody in with the keys of this computer", "run `ssh-copy-id {name}` once"),
    ("Too many authentication failures", "it refused the keys that were tried", "name the right one in ~/.ssh/config"),
    ("Could not resolve", "there is no such host", "check the name, or give its address"),
    ("Connection refused", "nothing listens for ssh there", "switch ssh on: sudo systemctl enable --now ssh"),
    ("timed out", "it does not answer", "check that it is on and in this network"),
    ("No route to host", "it does not answer", "check that it is on and in this network"),
    ("Network is unreachable", "there is no way to it", "check this computer's network"),
)  # fmt: skip


def check_destination(text: str) -> str:
    """``USER@HOST``, ``HOST`` or a name of ~/.ssh/config, and nothing that a shell or ssh reads as more.

    Raises:
        UsageError: it is none of these.
    """
    if not _DESTINATION.fullmatch(text):
        raise UsageError(f"ssh:{text}", "it is neither user@host nor a host's name", "give, say, ssh:pi@raspberrypi")
    return text


class SshShell:
    """See ``shell.Shell``; one connection, which all calls share where the system can (not on Windows)."""

    transport = "ssh"
    environment: dict[str, str] | None = None

    def __init__(self, destination: str, connect_seconds: int = CONNECT_SECONDS) -> None:
        self.destination = check_destination(destination)
        self.name = self.destination
        program = shutil.which("ssh")
        if program is None:
            raise DeviceError("ssh", "there is no such program here", "install it: sudo apt-get install openssh-client")
        self._program = program
        self._options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={connect_seconds}", "-T"]
        self._options += ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "LogLevel=ERROR"]
        self._folder: Path | None = None

    def connect(self) -> None:
        """Open the shared connection.

        Raises:
            DeviceError: it cannot be opened; the sentence says why.
        """
        if os.name == "nt":
            call(self, ":", CONNECT_SECONDS * 4)
            return
        self._folder = new_scratch_folder()
        self._options += ["-o", f"ControlPath={self._folder}/s"]
        # It ends by itself a while after its last user, so that nothing stays when this process is killed.
        master = ["-o", "ControlMaster=yes", "-o", "ControlPersist=30", "-N", "-f"]
        with tempfile.TemporaryFile() as errors:
            done = subprocess.run(
                [self._program, *self._options, *master, "--", self.destination],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
                check=False,
            )
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace")
        if done.returncode != 0:
            self.close()
            raise self.explain(said)

    def command(self, script: str) -> list[str]:
        """A login shell reads the line, whatever it is; sh reads the script."""
        return [self._program, *self._options, "--", self.destination, f"exec sh -c {quote(script)}"]

    def push(self, local: Path, remote: str) -> None:
        """By ``cat``: many boards have no sftp server."""
        with local.open("rb") as source:
            self._copy(f"cat > {quote(remote)}", source, subprocess.PIPE)

    def pull(self, remote: str, local: Path) -> None:
        """By ``cat``, whose output begins where the line that a login script may have printed ends."""
        mark = b"repbnn-begin\n"
        said = self._copy(f"echo repbnn-begin; cat {quote(remote)}", subprocess.DEVNULL, subprocess.PIPE)
        local.write_bytes(said.partition(mark)[2])

    def explain(self, said: str) -> DeviceError:
        """The sentence for what ssh printed."""
        for words, why, do in _REASONS:
            if words in said:
                return DeviceError(self.name, why, do.format(name=self.destination))
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return lost(self, lines[-1][:200] if lines else "no reason given")

    def close(self) -> None:
        """End the shared connection."""
        if self._folder is None:
            return
        subprocess.run(
            [self._program, *self._options, "-O", "exit", "--", self.destination],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def _copy(self, script: str, source: object, sink: int) -> bytes:
        try:
            done = subprocess.run(
                self.command(script),
                stdin=source,  # type: ignore[call-overload]
                stdout=sink,
                stderr=subprocess.PIPE,
                timeout=_TRANSFER_SECONDS,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise lost(self, f"a file was not copied within {_TRANSFER_SECONDS:g} s") from error
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()
            if "No space left" in said:
                raise full(self, said.splitlines()[-1])
            raise self.explain(said)
        out: bytes = done.stdout
        return out
