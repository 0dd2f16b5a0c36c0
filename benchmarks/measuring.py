"""Is bench itself honest, and quick? Four questions, each a command of its own.

    python benchmarks/measuring.py loop        # its median against a bare loop around the interpreter's invoke
    python benchmarks/measuring.py overhead    # its wall time minus that of the processes that it starts
    python benchmarks/measuring.py itself      # a file against itself: how often does the interval hold 1?
    python benchmarks/measuring.py second      # a second bench on a phone, over the real adb to the tests' own far end

`loop` runs blocks of both kinds in turn in one process. `overhead` times the whole command from outside. `itself`
benches two names of one file: the answer "no difference" is right in every one of its trials. `second` counts what was
pushed after the first bench, and times the whole command.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SMALL = ROOT / "tests" / "tflite" / "corpus" / "rep_small.tflite"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("question", choices=("loop", "overhead", "itself", "second"))
    parser.add_argument("--file", type=Path, default=SMALL)
    parser.add_argument("--blocks", type=int, default=30, help="loop: of each kind")
    parser.add_argument("--seconds", type=float, default=0.1, help="loop: of a block; else of a process")
    parser.add_argument("--trials", type=int, default=40, help="itself, overhead, second")
    parser.add_argument("--runtime", default="litert")
    parser.add_argument("--json", type=Path, help="add the result to a list in this file")
    options = parser.parse_args()
    row = {"loop": loop, "overhead": overhead, "itself": itself, "second": second}[options.question](options)
    print(json.dumps(row))
    if options.json:
        rows = json.loads(options.json.read_text()) if options.json.exists() else []
        options.json.write_text(json.dumps([*rows, row], indent=1) + "\n")


def loop(options: argparse.Namespace) -> dict[str, Any]:
    """Blocks of our measuring loop and of a bare one in turn, on one interpreter."""
    from repbnn_edge.benching.presets import Effort
    from repbnn_edge.benching.sampling import measure, warm_up
    from repbnn_edge.runtime.sessions import open_session

    session = open_session(options.runtime, options.file.read_bytes())
    runtime = session._interpreter  # type: ignore[attr-defined]
    warm_up(session.invoke)
    effort = Effort(10, options.seconds, 60.0)
    ratios, ours, bare = [], [], []
    for _ in range(options.blocks):
        measured = [value for batch in measure(session.invoke, effort) for value in batch]
        count = len(measured)
        times = []
        for _ in range(count):
            began = time.perf_counter_ns()
            runtime._interpreter.Invoke()  # what the runtime binds itself
            times.append(time.perf_counter_ns() - began)
        ours.append(statistics.median(measured) / 1e6)
        bare.append(statistics.median(times) / 1e6)
        ratios.append(ours[-1] / bare[-1])
    return {
        "question": "loop",
        "file": options.file.name,
        "blocks": options.blocks,
        "bench_ms": round(statistics.median(ours), 5),
        "bare_ms": round(statistics.median(bare), 5),
        "ratio": round(statistics.median(ratios), 4),
    }


def overhead(options: argparse.Namespace) -> dict[str, Any]:
    """The whole command, from outside, minus what its report says that its processes took."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.json"
        command = [sys.executable, "-m", "repbnn_edge.cli.main", "bench", str(options.file), "--num-runs", "50"]
        command += ["--min-secs", str(options.seconds), "--output", str(output), "-q"]
        for _ in range(options.trials):
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            wall = time.perf_counter() - began
            seconds.append(wall - json.loads(output.read_text())["seconds"]["processes"])
    return {
        "question": "overhead",
        "trials": options.trials,
        "median_s": round(statistics.median(seconds), 3),
        "most_s": round(max(seconds), 3),
    }


def itself(options: argparse.Namespace) -> dict[str, Any]:
    """How many trials say that a file is neither faster nor slower than itself."""
    from repbnn_edge.benching.presets import Effort
    from repbnn_edge.benching.running import bench

    held, widths, ratios = 0, [], []
    with tempfile.TemporaryDirectory() as folder:
        twins = [Path(folder) / name for name in ("a.tflite", "b.tflite")]
        for twin in twins:
            twin.write_bytes(options.file.read_bytes())
        for _ in range(options.trials):
            effort = Effort(50, options.seconds, 60.0)
            rows = bench(twins, runtimes=[options.runtime], effort=effort, check_outputs=False).results
            (reference,) = rows[1].references
            low, high = reference.ci95
            held += low <= 1 <= high
            ratios.append(reference.ratio)
            widths.append(high / low - 1)
    return {
        "question": "itself",
        "file": options.file.name,
        "trials": options.trials,
        "no_difference": held,
        "median_width": round(statistics.median(widths), 4),
        "worst_ratio": round(max(ratios, key=lambda ratio: abs(ratio - 1)), 4),
    }


def second(options: argparse.Namespace) -> dict[str, Any]:
    """The whole command from outside, again and again on one phone, whose runner is a stand-in."""
    with tempfile.TemporaryDirectory() as name, _phone(Path(name)) as (phone, environment):
        output = Path(name) / "out.json"
        command = [sys.executable, "-m", "repbnn_edge.cli.main", "bench", f"{name}/net.tflite", "--device", "pixel"]
        command += ["--num-runs", "25", "--min-secs", "0", "--repeats", "1", "-q", "--output", str(output)]
        run = functools.partial(subprocess.run, command, env=environment, check=True, stdout=subprocess.DEVNULL)
        run()
        phone.pushed.clear()
        whole, beside = [], []
        for _ in range(options.trials):
            began = time.perf_counter()
            run()
            whole.append(time.perf_counter() - began)
            beside.append(whole[-1] - json.loads(output.read_text())["seconds"]["processes"])
        return {
            "question": "second",
            "trials": options.trials,
            "pushed": len(phone.pushed),
            "whole_s": round(statistics.median(whole), 3),
            "beside_running_s": round(statistics.median(beside), 3),
        }


@contextlib.contextmanager
def _phone(folder: Path) -> Iterator[tuple[Any, dict[str, str]]]:
    """The tests' far end on an adb server of its own, a network in ``folder``, and the environment to use it in."""
    sys.path.insert(0, str(ROOT))
    from tests.devices import conftest
    from tests.devices.far import runner
    from tests.devices.far.adbd import Adbd
    from tests.devices.far.system import FarSystem

    with socket.create_server(("127.0.0.1", 0)) as probe:
        own = {"ANDROID_ADB_SERVER_PORT": str(probe.getsockname()[1]), "HOME": str(folder), "ADB_MDNS": "0"}
    for kind in ("CONFIG_DIR", "CACHE_DIR"):
        own[f"REPBNN_{kind}"] = str(folder / kind)
    own["REPBNN_DEVICE_BINARIES"] = str(runner.write_binaries(folder / "binaries", "android-arm64"))
    (folder / "net.tflite").write_bytes(conftest.tiny_network())
    (folder / "far").mkdir()
    adb = functools.partial(subprocess.run, env={**os.environ, **own}, capture_output=True, check=True)
    with contextlib.ExitStack() as ending:
        far = FarSystem(folder / "far").start()
        ending.callback(far.stop)
        phone = Adbd(conftest.android(far))
        ending.callback(phone.close)
        ending.callback(adb, ["adb", "kill-server"])
        adb(["adb", "connect", phone.serial])
        yield phone, {**os.environ, **own}


if __name__ == "__main__":
    main()
