"""Nothing that the adb and ssh roads import is Linux's alone."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import os, pkgutil, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "posix_ipc"):
    sys.modules[name] = None
for name in ("wait4", "sched_getaffinity", "sched_setaffinity", "sysconf", "getloadavg", "geteuid"):
    if hasattr(os, name):
        delattr(os, name)
import repbnn_edge.devices
for found in pkgutil.iter_modules(repbnn_edge.devices.__path__):
    __import__(f"repbnn_edge.devices.{found.name}")
import repbnn_edge.benching.running
from repbnn_edge.devices.host import HostDevice
from repbnn_edge.devices.streaming import LineProcess
device = HostDevice()
assert device.facts()["cores"]
assert device.state(device.usable_cores())["load"] is None
process = LineProcess([sys.executable, "-c", "print('hello'); raise SystemExit(3)"])
assert b"".join(process.lines(30)).strip() == b"hello"
code, errors, seconds = process.finish()
assert (code, seconds) == (3, None), (code, errors)
print("ok")
"""


def test_without_what_only_posix_has() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.stdout == "ok\n", done.stderr
