"""A stand-in for the runner, for faults that a real one has only by accident: it speaks the runner's events.

What it does is chosen by a file of the far end, so that a test needs no switch in the product.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

SOURCE = r"""#!@PYTHON@ -ES
import json, os, signal, struct, sys, time

def say(event, **body):
    print(json.dumps({"event": event, **body}), flush=True)

arguments = sys.argv[1:]
if arguments == ["--version"]:
    say("version", version="0.1.0", abi="@ABI@")
    sys.exit(0)
options = dict(zip(arguments[::2], arguments[1::2]))
assert open(options["--model"], "rb").read(8)[4:] == b"TFL3"
what = open("/far-bin/behaviour").read() if os.path.exists("/far-bin/behaviour") else "well"
say("started", pid=os.getpid())
say("loaded", init_ms=1.5, runtime=["tflite", "2.16.1"], delegate=None)
if what == "crash":
    os.kill(os.getpid(), signal.SIGSEGV)
if what == "junk":
    sys.stdout.write("\x1b]0;junk\x07 {\"event\": \x00\n[1, 2]\n{\"event\": 7}\n" + "x" * 100000 + "\n")
    sys.stdout.flush()
    say("exit", code=3, signal=None, stderr="", cpu_seconds=1e9)
if what == "nonsense":
    say("runs", ns="many")
if what == "hang":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    time.sleep(1000)
values = struct.unpack("<4f", open(options["--input"], "rb").read())
answer = [-1.0 if what == "wrong" else max(value, 0.0) for value in values]
if "--output" in options:
    open(options["--output"], "wb").write(struct.pack("<4f", *answer))
say("first", first_ms=2.0, repeatable=True)
say("warm", runs=4, steady=True)
if what == "drip":
    while True:
        say("runs", ns=[1000000] * 5)
        time.sleep(0.05)
began = time.time()
if what == "slows":
    open("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "w").write("1000000")
if what == "refused":
    say("affinity", refused="the kernel says no")
count = int(options["--num-runs"])
ns = [1000000 + (i * 7919) % 1000 for i in range(count)]
say("runs", ns=ns[: count // 2])
say("runs", ns=ns[count // 2 :])
say("end", cpu_seconds=0.1, peak_memory_bytes=4096)
open("/tmp/arguments.json", "w").write(json.dumps(arguments))
"""


def write_binaries(folder: Path, abi: str) -> Path:
    """A folder for ``REPBNN_DEVICE_BINARIES`` with a stand-in for each file of an ABI."""
    place = folder / abi
    place.mkdir(parents=True)
    runner = place / "repbnn-runner"
    python = os.path.realpath(sys.executable)
    runner.write_text(SOURCE.replace("@PYTHON@", python).replace("@ABI@", abi))
    runner.chmod(0o755)
    (place / "librepbnn_delegate.so").write_bytes(b"\x7fELF stand-in for the delegate")
    (place / "libtensorflowlite_jni.so").write_bytes(b"\x7fELF stand-in for the runtime" + bytes(1 << 20))
    return folder
