"""Debian's sshd on a high port of the loopback, with keys of the test; its logins end in a far end."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.devices.far.system import FarSystem

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


def possible() -> bool:
    """Whether there is an sshd and a client."""
    return Path(SSHD).exists() and shutil.which("ssh") is not None


class Sshd:
    """A running sshd, and an ``ssh`` in front of the real client that reads the test's own configuration.

    ssh reads ~/.ssh of the user that the system knows, whatever HOME says: so ``bin/ssh`` runs the real client with
    ``-F``, which is where a user's configuration stands in for.
    """

    def __init__(self, system: FarSystem, folder: Path, noise: str = "") -> None:
        folder.mkdir()
        self.folder, self.far = folder, system
        for name in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
        enter = shlex.join(system.enter())
        (folder / "login").write_text(f'#!/bin/sh\n{noise}\nexec {enter} sh -c "$SSH_ORIGINAL_COMMAND"\n')
        (folder / "login").chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication yes\n"
            f"PidFile none\nForceCommand {folder}/login\nSetEnv HOME={folder}\n"
            "PermitRootLogin prohibit-password\nMaxSessions 20\n"
        )
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {(folder / 'host_key.pub').read_text()}")
        self.write_client()
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd insists, where it has root
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stdin=subprocess.DEVNULL, stderr=self._log
        )
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError((folder / "log").read_text())

    def write_client(self, extra: str = "", identity: str = "user_key") -> None:
        """The user's ssh configuration: ``board`` is this sshd."""
        (self.folder / "config").write_text(
            f"Host board board.local\n  HostName 127.0.0.1\n  Port {self.port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {self.folder / identity}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.folder / 'known_hosts'}\n  GlobalKnownHostsFile /dev/null\n{extra}"
        )
        client = self.folder / "bin"
        client.mkdir(exist_ok=True)
        real = shutil.which("ssh", path=os.defpath + ":/usr/local/bin")
        (client / "ssh").write_text(f'#!/bin/sh\nexec {real} -F {shlex.quote(str(self.folder / "config"))} "$@"\n')
        (client / "ssh").chmod(0o755)

    def log(self) -> str:
        """What sshd said."""
        return (self.folder / "log").read_text()

    def cut(self) -> None:
        """End every connection, as a network that goes with a reset."""
        listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        for line in listing.splitlines():
            pid, parent = map(int, line.split())
            if parent == self._process.pid:
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End it and its sessions."""
        self._process.terminate()
        self._process.wait()
        self._log.close()
