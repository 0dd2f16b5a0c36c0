"""Counts what one inference of a network's body costs on aarch64, fused and unfused: instructions, and bytes moved.

``python tools/qemu/body.py MODEL.tflite``. The body is what stands between the first convolution and the dense layer,
cut out of the file; the boards' delegate runs it in LiteRT under qemu-aarch64 on one thread. Two runs less one, so
loading and packing do not count. Bytes are those of all loads and stores, whichever cache they hit.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import device  # noqa: E402

from repbnn_edge.tflite import schema  # noqa: E402
from repbnn_edge.tflite.cut import cut  # noqa: E402
from tests.devices_support import emulation  # noqa: E402

ABI = "linux-aarch64"
FIELDS = ("instructions", "loaded", "stored")


def main() -> int:
    """Print one line for each way to run the body, and the ratios."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        body, plugin = Path(folder) / "body.tflite", Path(folder) / "count.so"
        body.write_bytes(body_of(Path(sys.argv[1]).read_bytes()))
        source = ROOT / "tools" / "qemu" / "count_instructions.c"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", source, "-o", plugin], check=True)
        costs = {fusion: _cost(body, plugin, fusion) for fusion in ("full", "none")}
    for fusion, cost in costs.items():
        print(f"fusion={fusion}: " + ", ".join(f"{cost[field]:,} {field}" for field in FIELDS))
    moved = {fusion: cost["loaded"] + cost["stored"] for fusion, cost in costs.items()}
    instructions = costs["none"]["instructions"] / costs["full"]["instructions"]
    print(f"unfused over fused: {instructions:.2f} x instructions, {moved['none'] / moved['full']:.2f} x bytes")
    return 0


def body_of(data: bytes) -> bytes:
    """The operators behind the first CONV_2D and before the last FULLY_CONNECTED, as a file."""
    model = schema.load(data)
    operators = model.operators
    first = next(operator for operator in operators if operator.op == "CONV_2D")
    last = next(operator for operator in reversed(operators) if operator.op == "FULLY_CONNECTED")
    kept = [operator.index for operator in operators if first.index < operator.index < last.index]
    return cut(model, kept, inputs=[first.outputs[0]], outputs=[last.inputs[0]])


def _cost(body: Path, plugin: Path, fusion: str) -> dict[str, int]:
    once, twice = (_count(body, plugin, fusion, runs) for runs in (1, 2))
    return {field: twice[field] - once[field] for field in FIELDS}


def _count(body: Path, plugin: Path, fusion: str, runs: int) -> dict[str, int]:
    qemu, *words = emulation.run_prefix(ABI)
    program = device.compile_targets(ABI, "repeat_network") / "native" / "runner" / "repeat_network"
    delegate = ROOT / "build" / "device" / ABI / device.DELEGATE
    command = [qemu, *words, "-plugin", f"{plugin},bytes=on", "-d", "plugin", program, body]
    command += [emulation.runtime_library(ABI), delegate, fusion, str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if '"refused": []' not in done.stdout:
        raise SystemExit(f"not all of the body was taken: {done.stdout}")
    counts = dict(line.split() for line in done.stderr.splitlines() if line.partition(" ")[0] in FIELDS)
    return {field: int(counts[field]) for field in FIELDS}


if __name__ == "__main__":
    sys.exit(main())
