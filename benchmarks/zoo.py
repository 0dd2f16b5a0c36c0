"""Every built-in network and every network of larq-zoo: sizes, counts, milliseconds. Writes docs/results.md.

    python benchmarks/zoo.py                          # all of them, an hour or so on two cores
    python benchmarks/zoo.py QuickNet rep-recu-resnet20 --betas 1 2
    python benchmarks/zoo.py --write-only             # the page again, from benchmarks/results/zoo.json

Each network is built, converted, proven and timed in a process of its own; results are kept in the JSON file, so a run
can be stopped and taken up again (--again measures what is there already). LCE's interpreter and stock LiteRT with our
delegate run the same file in turns, one thread, so that what disturbs the machine disturbs both: trust the ratio more
than the milliseconds. --core N takes that core for the ten seconds of timing, above all other work (Linux, root).
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/zoo.json"
PAGE = ROOT / "docs/results.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
SAMPLES = 2
TIMING_SECONDS = 10.0
MIN_ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="networks; all without any")
    parser.add_argument("--betas", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--again", action="store_true", help="measure what has a result already")
    parser.add_argument("--write-only", action="store_true")
    parser.add_argument("--core", type=int, help="time on this core, with real-time priority")
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "BETA"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], int(options.measure[1]), options.core)))
        return
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not options.write_only:
        for name in options.names or names():
            for beta in options.betas:
                key = f"{name}/{beta}"
                if key not in results or options.again:
                    results[key] = measured_apart(name, beta, options.core)
                    RESULTS.parent.mkdir(exist_ok=True)
                    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    write_page(results)


def names() -> list[str]:
    from repbnn_edge.models import CATALOG
    from repbnn_edge.zoo import NETWORKS

    return [*CATALOG, *(name for name in NETWORKS if name != "DoReFaNet")]


def measured_apart(name: str, beta: int, core: int | None) -> dict[str, Any]:
    print(f"{name}, beta {beta} ...", file=sys.stderr, flush=True)
    command = [
        sys.executable,
        __file__,
        "--measure",
        name,
        str(beta),
        *(["--core", str(core)] if core is not None else []),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{name}, beta {beta}: {run.stderr.strip().splitlines()[-1]}")
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


def measure(name: str, beta: int, core: int | None) -> dict[str, Any]:
    """Build, convert, prove and time one network."""
    from repbnn_edge import convert
    from repbnn_edge.models import CATALOG

    built_in = name in CATALOG
    model = build_built_in(name, beta) if built_in else build_zoo(name, beta)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        report = convert(model, path, samples=SAMPLES)
        data = path.read_bytes()
        int8 = convert(model, Path(folder) / "int8.tflite", float_weights="int8", verify=False).bytes
    proof = report.verification
    with undisturbed(core):
        times = timed(data, tuple(model.input_shape[1:]))
    return {
        "family": "built-in" if built_in else "larq-zoo",
        "input": list(model.input_shape[1:]),
        "binary_layers": report.binary_convolutions.binary,
        "bytes": report.bytes,
        "bytes_int8": int8,
        "macs": report.macs.model_dump(),
        "parameters": report.parameters.model_dump(),
        "proven": proof is not None and proof.passed,
        "max_float_error": proof.max_float_error if proof else None,
        "top1": published(name, beta),
        "milliseconds": times,
        "machine": machine(),
    }


def build_built_in(name: str, beta: int) -> Any:
    from repbnn_edge.models import build

    return build(name, beta=beta)


def build_zoo(name: str, beta: int) -> Any:
    from repbnn_edge import rep_tran, zoo

    model = zoo.build(name)
    if beta > 1:
        model = rep_tran(model, beta)
        zoo.calibrate(model)
    return model


def published(name: str, beta: int) -> float | None:
    """Top-1 in percent that the paper, or larq-zoo for its own weights, states for this beta."""
    from repbnn_edge.models import CATALOG
    from repbnn_edge.zoo import NETWORKS

    if name in CATALOG:
        entry = CATALOG[name]
        return round(100 * entry.paper_top1, 2) if entry.paper_beta == beta else None
    return NETWORKS[name].top1 if beta == 1 else None


@contextmanager
def undisturbed(core: int | None) -> Iterator[None]:
    """Run on one core and above everything else, where that is asked for."""
    if core is None:
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, cores)


def timed(data: bytes, input_shape: tuple[int, ...]) -> dict[str, Any]:
    """Fastest and median milliseconds of each runtime, and the median of the paired ratios ours / LCE."""
    import numpy as np

    from repbnn_edge.errors import RepbnnError
    from repbnn_edge.runtime.sessions import open_session

    sample = np.random.default_rng(0).normal(size=(1, *input_shape)).astype(np.float32)
    sessions = {"lce": open_session("lce", data)}
    facts = None
    try:
        sessions["ours"] = open_session("litert", data)
        facts = sessions["ours"].delegate
    except RepbnnError as error:
        print(f"our delegate is left out: {error}", file=sys.stderr)
    for session in sessions.values():
        session.set_input(sample)
        session.invoke()
    rounds: dict[str, list[float]] = {name: [] for name in sessions}
    begin = time.perf_counter()
    while len(rounds["lce"]) < MIN_ROUNDS or time.perf_counter() - begin < TIMING_SECONDS:
        for name, session in sessions.items():
            rounds[name].append(milliseconds(session.invoke))
    result: dict[str, Any] = {
        name: {"fastest": min(times), "median": statistics.median(times)} for name, times in rounds.items()
    }
    result["rounds"] = len(rounds["lce"])
    if "ours" in rounds:
        result["ratio"] = statistics.median(a / b for a, b in zip(rounds["ours"], rounds["lce"], strict=True))
        result["implementation"] = facts.implementation if facts else None
        result["delegated"] = [facts.nodes_delegated, facts.nodes_total] if facts else None
    return result


def milliseconds(call: Callable[[], None]) -> float:
    begin = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - begin)


def machine() -> dict[str, str]:
    model = next(
        (line.split(":", 1)[1].strip() for line in cpu_lines() if line.startswith("model name")), platform.processor()
    )
    packages = ("larq-compute-engine", "ai-edge-litert", "tensorflow")
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    return {"cpu": model, "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(), "versions": versions}


def cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def write_page(results: dict[str, Any]) -> None:
    """docs/results.md, and the networks as they were published between the marks of the README."""
    if not results:
        raise SystemExit("nothing is measured yet")
    machines = sorted({f"{r['machine']['cpu']}; {r['machine']['versions']}" for r in results.values()})
    dates = sorted({r["machine"]["date"] for r in results.values()})
    text = "\n".join(
        [
            "# Every network, measured",
            "",
            "Written by `python benchmarks/zoo.py`; do not edit. The networks are untrained: seeded weights and",
            "calibrated batch norms. Each file was proven against its network before it was timed (docs/verify.md).",
            "top-1 is the paper's, or for larq-zoo its own documentation's, and was not measured here.",
            "",
            *table(results),
            "",
            f"One thread, fastest run, x86-64: {'; '.join(machines)}; {' to '.join(dates)}.",
            "`ours` is stock LiteRT with our delegate, `ours / LCE` the median of the ratios of runs taken in turns:",
            "trust it more than the milliseconds. LCE has no x86 kernels of its own, only portable ones, and is",
            "taken as it comes: its indirect kernels and XNNPACK, which it leaves off, make it 3 to 4 times as fast",
            "([delegate](delegate.md)). The ratio says nothing about phones. OPs = float MACs + binary MACs / 64.",
            "MB int8: with int8 float weights",
            "behind the last sign (`--float-weights int8`).",
            "",
        ]
    )
    PAGE.write_text(text)
    if README.exists() and BEGIN in (readme := README.read_text()):
        head, rest = readme.split(BEGIN, 1)
        short = table({key: result for key, result in results.items() if result["top1"]})
        more = (
            "LCE as it comes, on x86, where its kernels are portable ones; with what it leaves off it is 3 to 4 times\n"
            "as fast. All of them, and how they were measured: [docs/results.md](docs/results.md)."
        )
        README.write_text(head + "\n".join([BEGIN, *short, "", more, END]) + rest.split(END, 1)[1])
    print(f"{PAGE}: {len(results)} rows")


def table(results: dict[str, Any]) -> list[str]:
    columns = (
        "network", "beta", "binary layers", "MB float32", "MB int8", "binary MACs", "float MACs", "OPs",
        "LCE ms", "ours ms", "ours / LCE", "paper top-1 %",
    )  # fmt: skip
    lines = ["| " + " | ".join(columns) + " |", "| --- " + "| ---: " * (len(columns) - 1) + "|"]
    order = {name: index for index, name in enumerate(names())}
    for key in sorted(results, key=lambda key: (order.get(key.split("/")[0], 99), key)):
        lines.append("| " + " | ".join(cells(key, results[key])) + " |")
    return lines


def cells(key: str, result: dict[str, Any]) -> list[str]:
    name, beta = key.rsplit("/", 1)
    macs, times = result["macs"], result["milliseconds"]
    return [
        name if result["proven"] else f"{name} (not proven)",
        beta,
        str(result["binary_layers"]),
        f"{result['bytes'] / 1e6:.2f}",
        f"{result['bytes_int8'] / 1e6:.2f}",
        f"{macs['binary'] / 1e6:,.1f} M",
        f"{macs['float'] / 1e6:,.1f} M",
        f"{(macs['float'] + macs['binary'] / 64) / 1e6:,.1f} M",
        f"{times['lce']['fastest']:.1f}",
        f"{times['ours']['fastest']:.2f}" if "ours" in times else "-",
        f"{times['ratio']:.3f}" if "ratio" in times else "-",
        f"{result['top1']:.2f}" if result["top1"] else "",
    ]


if __name__ == "__main__":
    main()
