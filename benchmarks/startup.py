"""What the command line costs before it does anything, beside an empty Typer program, in turns.

    python benchmarks/startup.py

Whole processes, fastest and median of N. `--help` is compared with that of a program that only imports Typer; `models`
and `inspect` are to answer within a second.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EMPTY = "import typer\napp = typer.Typer()\n@app.command()\ndef nothing() -> None:\n    ...\napp()\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--inspect", type=Path, help="a .tflite to inspect; none: that row is left out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)
        ours = [sys.executable, "-m", "repbnn_edge.cli.main"]
        commands = {
            "empty Typer program --help": [sys.executable, str(empty), "--help"],
            "repbnn-edge --help": [*ours, "--help"],
            "repbnn-edge models": [*ours, "models"],
        }
        if options.inspect:
            commands["repbnn-edge inspect"] = [*ours, "inspect", str(options.inspect)]
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.runs):
            for name, command in commands.items():
                times[name].append(seconds(command))
    reference = next(iter(times))
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, times[reference], strict=True))
        print(f"{name:28} fastest {min(values):.3f} s, median {statistics.median(values):.3f} s, ratio {ratio:.2f}")


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
