"""Conversion beside LCE's own: time in a warm process, the whole command from the shell, and peak memory.

    python benchmarks/conversion.py            # prints the table
    python benchmarks/conversion.py --write    # also puts it into docs/convert.md

Times of the two sides are taken in turns in one process, and the fastest of each is compared. CPU seconds stand beside
wall-clock seconds: on a busy machine they are the ones to trust.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "convert.md"
BEGIN, END = "<!-- conversion: begin -->", "<!-- conversion: end -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="rep-adambnn-reactnet-a")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into docs/convert.md")
    parser.add_argument("--child", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(CHILDREN[arguments.child](arguments)))
        return
    paired = child("paired", arguments)
    memory = {name: child(name, arguments)["peak_bytes"] for name in ("memory-ours", "memory-lce", "memory-none")}
    whole = shell(arguments.network)
    text = table(arguments, paired, memory, whole)
    print(text)
    if arguments.write:
        write(text)


def paired(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both sides in turns in one warm process, on one built model."""
    model = load(arguments.network)
    sides = {"ours": lambda: ours(model), "lce": lambda: lce(model)}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    files = {}
    for _ in range(arguments.runs):
        for name, side in sides.items():
            wall, cpu, files[name] = timed(side)
            seconds[name].append((wall, cpu))
    fastest = {name: [min(column) for column in zip(*times, strict=True)] for name, times in seconds.items()}
    return {"fastest": fastest, "operators": {name: operators(data) for name, data in files.items()}}


def memory_of(side: str) -> Callable[[argparse.Namespace], dict[str, Any]]:
    def measure(arguments: argparse.Namespace) -> dict[str, Any]:
        model = load(arguments.network)
        {"ours": ours, "lce": lce, "none": lambda _: b""}[side](model)
        return {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}

    return measure


CHILDREN: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "paired": paired,
    "memory-ours": memory_of("ours"),
    "memory-lce": memory_of("lce"),
    "memory-none": memory_of("none"),
}


def load(network: str) -> Any:
    from repbnn_edge.conversion import front_ends

    return front_ends.load(network).network


def ours(model: Any) -> bytes:
    from repbnn_edge.lowering import lower_model

    return lower_model(model).data


def lce(model: Any) -> bytes:
    import logging

    from repbnn_edge import stack

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    data: bytes = stack.larq_compute_engine().convert_keras_model(model)
    return data


def operators(data: bytes) -> dict[str, int]:
    from repbnn_edge.tflite import schema

    names = [operator.op for operator in schema.load(data).operators]
    return {"all": len(names), "LceBconv2d": names.count("LceBconv2d"), "CONV_2D": names.count("CONV_2D")}


def timed(function: Callable[[], bytes]) -> tuple[float, float, bytes]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def shell(network: str) -> dict[str, float]:
    """``repbnn-edge convert`` from start to proof on 16 samples."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "repbnn_edge.cli.main", "convert", network, "-o", f"{folder}/net.tflite"]
        before, begin = os.times(), time.perf_counter()
        subprocess.run([*command, "--samples", "16"], check=True, capture_output=True)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return {"wall": time.perf_counter() - begin, "cpu": cpu}


def child(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", name, "--network", arguments.network, "--runs", str(arguments.runs)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(arguments: argparse.Namespace, both: dict[str, Any], memory: dict[str, int], whole: dict[str, float]) -> str:
    (our_wall, our_cpu), (lce_wall, lce_cpu) = both["fastest"]["ours"], both["fastest"]["lce"]
    counts = both["operators"]
    above = {name: (memory[f"memory-{name}"] - memory["memory-none"]) / 1e9 for name in ("ours", "lce")}
    rows = [
        ("", "repbnn-edge", "LCE's convert_keras_model", "ratio"),
        ("---",) * 4,
        compared("built model to flatbuffer, wall s", our_wall, lce_wall),
        compared("the same, CPU s", our_cpu, lce_cpu),
        compared("`convert` from the shell, proof on 16 samples, wall s", whole["wall"], lce_wall),
        compared("the same, CPU s", whole["cpu"], lce_cpu),
        compared("peak memory beyond the built model, GB", above["ours"], above["lce"]),
        ("binary convolutions in the file", *(str(counts[name]["LceBconv2d"]) for name in ("ours", "lce")), ""),
        ("full-precision convolutions in the file", *(str(counts[name]["CONV_2D"]) for name in ("ours", "lce")), ""),
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    head = f"{arguments.network}, fastest of {arguments.runs}, taken in turns in one process; {os.cpu_count()} cores."
    return "\n".join([head, "", *lines])


def compared(what: str, one: float, other: float) -> tuple[str, ...]:
    return what, f"{one:.2f}", f"{other:.2f}", f"{one / other:.2f}"


def write(text: str) -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    before, rest = document.split(BEGIN)
    after = rest.split(END)[1]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
