"""A far end: a host shell in a user and mount namespace of its own, with its own /data, /home, /tmp and /proc/cpuinfo.

aarch64 programs run there by qemu, which is registered for that namespace alone. Nothing of it is left when the holder
process ends, and every process that runs in it can be listed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

_SETUP = r"""
set -e
r=$1; shift
mount -t tmpfs -o mode=755 far "$r"
for d in /*; do
  n=${d#/}
  case $n in data|home|tmp) continue;; esac
  if [ -L "$d" ]; then cp -P "$d" "$r/$n"; elif [ -d "$d" ]; then mkdir "$r/$n"; mount --rbind "$d" "$r/$n"; fi
done
mkdir -p "$r/data/local/tmp" "$r/home/far" "$r/tmp" "$r/far-bin"
mount -t tmpfs -o mode=777 far-data "$r/data/local/tmp"
mount -t tmpfs far-home "$r/home/far"
mount -t tmpfs -o mode=777 far-tmp "$r/tmp"
mount -t tmpfs -o mode=777 far-var-tmp "$r/var/tmp"
if mount -t binfmt_misc none "$r/proc/sys/fs/binfmt_misc" 2>/dev/null && [ -n "$REGISTER" ]; then
  printf '%s' "$REGISTER" >"$r/proc/sys/fs/binfmt_misc/register"
fi
"""

_MAGIC = (
    r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
)


def possible() -> bool:
    """Whether this kernel gives us a namespace."""
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        return False
    return subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode == 0


@dataclass
class FarSystem:
    """A running far end.

    Attributes:
        folder: of the tests, for its root.
        environment: of its shells.
        extra_setup: more lines of the script that makes it; ``$r`` is its root.
        shell: what its ``sh`` is, as words: Android's is mksh, many boards' is busybox's.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    extra_setup: str = ""
    shell: tuple[str, ...] = ("sh",)
    _holder: subprocess.Popen[bytes] | None = None

    def start(self) -> FarSystem:
        """Make it."""
        root = self.folder / "root"
        root.mkdir()
        script = _SETUP + self.extra_setup + '\necho ready\nexec chroot "$r" sleep 100000\n'
        qemu = shutil.which("qemu-aarch64")
        register = f":repbnn-aarch64:M::{_MAGIC}:{qemu}:F" if qemu else ""
        self._holder = subprocess.Popen(
            ["unshare", "-Urm", "--propagation", "private", "sh", "-c", script, "far", str(root)],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "REGISTER": register},
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        ends = time.monotonic() + 10
        while not (self.root / "far-bin").is_dir():  # chroot follows
            assert time.monotonic() < ends
            time.sleep(0.01)
        return self

    @property
    def root(self) -> Path:
        """Its files, as seen from outside."""
        assert self._holder is not None
        return Path(f"/proc/{self._holder.pid}/root")

    @property
    def path(self) -> str:
        """PATH of its shells: commands of the test come first."""
        return "/far-bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    def command(self, script: str) -> list[str]:
        """What runs a script in its shell."""
        return [*self.enter(), *self.shell, "-c", script]

    def enter(self) -> list[str]:
        """What runs the words that follow inside it."""
        assert self._holder is not None
        base = {"PATH": self.path, "HOME": "/home/far", "LANG": "C.UTF-8"} | self.environment
        pairs = [f"{key}={value}" for key, value in base.items()]
        entry = ["nsenter", "-t", str(self._holder.pid), "-U", "-m", "-r", "--preserve-credentials"]
        return [*entry, "--wd=/", "env", "-i", *pairs]

    def add_command(self, name: str, script: str) -> None:
        """Put a command in front of the system's own."""
        path = self.root / "far-bin" / name
        path.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}")
        path.chmod(0o755)

    def write(self, path: str, text: str) -> None:
        """Write a file inside it."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def behave(self, how: str) -> None:
        """Choose what the stand-in runner does."""
        self.write("/far-bin/behaviour", how)

    def ours(self, folder: str = "/data/local/tmp") -> list[str]:
        """What of bench's lies in a folder: cached files are one word."""
        found = []
        for base in (self.root / folder.lstrip("/")).glob("repbnn-edge*"):
            found += [str(path.relative_to(base)) for path in base.rglob("*") if path.parent.name != "cache"]
        return sorted(found)

    def processes(self) -> dict[int, str]:
        """Every process in it but the holder: number and command line."""
        assert self._holder is not None
        ours = Path(f"/proc/{self._holder.pid}/ns/mnt").readlink()
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "ns/mnt").readlink() != ours or int(entry.name) == self._holder.pid:
                    continue
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def settle(self, seconds: float) -> dict[int, str]:
        """Wait until nothing runs in it, at most so long; gives what still does."""
        ends = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < ends:
            time.sleep(0.05)
        return left

    def stop(self) -> None:
        """End it and all in it."""
        if self._holder is None:
            return
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._holder.kill()
        self._holder.wait()
