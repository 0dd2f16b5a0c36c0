"""The delegate beside LCE's interpreter and beside MobileNetV2 int8, on the same bytes, in one process, in turns.

    python benchmarks/delegate.py rep-adambnn-reactnet-a                     # a built-in name
    python benchmarks/delegate.py network.tflite --implementation avx2       # or any file LCE wrote
    python benchmarks/delegate.py rep-adambnn-reactnet-a rep-adambnn-reactnet-a:int8 --mobilenet --core 1

NAME:int8 has int8 float weights behind the last sign. One row a file: the fastest of N of each, and the ratio, to LCE
as it comes and to LCE with what it leaves off: its indirect kernels, several times as fast on x86, and XNNPACK. The
partition alone is the sum of the delegate's own times; beside it stands what xor and popcount alone would need
(native/kernels/bconv2d/limit.cc: configure with -DREPBNN_BENCHMARKS=ON), and how fast this core copies memory, both
measured in the same run on the same core. Outputs are compared: the largest difference (stem and dense layer are
XNNPACK's), and top-1. Peak memory is that of a process of its own for each runtime. Trust the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "benchmarks"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", nargs="+", help=".tflite files, or names of built-in networks; NAME:int8")
    parser.add_argument("--implementation", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=6, help="of one LCE run and ten of ours")
    parser.add_argument("--mobilenet", action="store_true", help="also MobileNetV2 int8 (converted once, cached)")
    parser.add_argument("--core", type=int, help="take this core with real-time priority (Linux, root)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    files = [file_of(source) for source in options.sources]
    mobilenet = _mobilenet() if options.mobilenet else None
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    limit = _popcount_limit()  # on the core, and with the priority, that the delegate gets
    rows = [_measure(path, options, mobilenet, limit) for path in files]
    print(f"{_cpu()}, {options.implementation}, {options.threads} thread(s), copies {_copied(options.threads)}")
    for row in rows:
        print(json.dumps(row))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def file_of(source: str) -> Path:
    if source.endswith(".tflite"):
        return Path(source)
    name, _, weights = source.partition(":")
    path = CACHE / f"{source.replace(':', '-')}.tflite"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "repbnn_edge.cli.main", "convert", name, "-o", str(path), "--no-verify"]
        command += ["--float-weights", weights] if weights else []
        subprocess.run(command, check=True)
    return path


def _mobilenet() -> bytes:
    """MobileNetV2 of tf.keras.applications, fresh weights, quantised whole: what a user would take instead."""
    path = CACHE / "mobilenet_v2_int8.tflite"
    if not path.exists():
        from repbnn_edge import stack

        tf = stack.tensorflow()
        model = tf.keras.applications.MobileNetV2(weights=None)
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        generator = np.random.default_rng(0)
        converter.representative_dataset = lambda: (
            [generator.normal(size=(1, 224, 224, 3)).astype(np.float32)] for _ in range(8)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        CACHE.mkdir(parents=True, exist_ok=True)
        path.write_bytes(converter.convert())
    return path.read_bytes()


class Stock:
    """A file in stock LiteRT, with our delegate or without."""

    def __init__(self, data: bytes, threads: int, delegate: Any = None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        start = time.perf_counter()
        delegates = [] if delegate is None else [delegate]
        self.interpreter = Interpreter(model_content=data, num_threads=threads, experimental_delegates=delegates)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.interpreter.invoke()
        self.first = time.perf_counter() - start

    def run(self, sample: Any) -> float:
        self.interpreter.set_tensor(self.input["index"], sample)
        start = time.perf_counter()
        self.interpreter.invoke()
        return time.perf_counter() - start

    def output(self) -> Any:
        return self.interpreter.get_tensor(self.interpreter.get_output_details()[0]["index"])


def _measure(path: Path, options: argparse.Namespace, mobilenet: bytes | None, limit: float | None) -> dict[str, Any]:
    import repbnn_edge
    from repbnn_edge import stack
    from repbnn_edge.runtime.lce import LceInterpreter

    stack.larq_compute_engine()  # its import is no part of its first call
    data = path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"implementation": options.implementation, "require_all": True, "log_level": "error"}
        explain = Path(folder) / "explain.json"
        delegate = repbnn_edge.load_delegate(**settings, explain=explain)
        ours = Stock(data, options.threads, delegate)
        start = time.perf_counter()
        lce = LceInterpreter(data, num_threads=options.threads)
        sample = np.random.default_rng(0).normal(size=lce.input_shapes[0]).astype(np.float32)
        expected = lce.run([sample])[0]
        lce_first = time.perf_counter() - start
        tuned = LceInterpreter(data, num_threads=options.threads, indirect=True, xnnpack=True)
        tuned.run([sample])
        other = Stock(mobilenet, options.threads) if mobilenet else None
        times: dict[str, list[float]] = {"lce": [], "lce_tuned": [], "ours": [], "mobilenet": []}
        for _ in range(options.rounds):
            for key, interpreter in (("lce", lce), ("lce_tuned", tuned)):
                start = time.perf_counter()
                interpreter.run([sample])
                times[key].append(time.perf_counter() - start)
            times["ours"] += [ours.run(sample) for _ in range(10)]
            if other is not None:
                quantised = np.zeros(other.input["shape"], np.int8)
                times["mobilenet"] += [other.run(quantised) for _ in range(10)]
        actual = ours.output()
        report = json.loads(explain.read_text())
        body = _partition_ms(data, sample, options, settings, Path(folder) / "profile.json")
    fastest = {key: 1e3 * min(values) for key, values in times.items() if values}
    row: dict[str, Any] = {
        "file": path.name,
        "partitions": report["partitions"],
        "nodes": f"{sum(node['claimed'] for node in report['nodes'])}/{len(report['nodes'])}",
        "lce_ms": round(fastest["lce"], 2),
        "lce_tuned_ms": round(fastest["lce_tuned"], 2),
        "ours_ms": round(fastest["ours"], 3),
        "faster_than_lce": round(fastest["lce"] / fastest["ours"], 1),
        "faster_than_lce_tuned": round(fastest["lce_tuned"] / fastest["ours"], 1),
        "partition_ms": round(body, 3),
        "first_call_ms": {"ours": round(1e3 * ours.first, 1), "lce": round(1e3 * lce_first, 1)},
        "peak_memory_mb": _peak_memory(path, options),
        "largest_difference": float(np.abs(actual - expected).max()),
        "same_top1": bool(np.argmax(actual) == np.argmax(expected)),
    }
    if limit is not None:
        row["popcount_limit_ms"] = round(1e3 * _binary_macs(path) / limit, 3)
        row["partition_over_limit"] = round(body / row["popcount_limit_ms"], 2)
    if "mobilenet" in fastest:
        row["mobilenet_v2_int8_ms"] = round(fastest["mobilenet"], 3)
        row["over_mobilenet"] = round(fastest["ours"] / fastest["mobilenet"], 2)
    return row


def _partition_ms(data: bytes, sample: Any, options: argparse.Namespace, settings: dict[str, Any], path: Path) -> float:
    """The fastest of five means over forty runs of the claimed partitions alone: a cold first one hardly counts."""
    import repbnn_edge

    sums = []
    for _ in range(5):
        stock = Stock(data, options.threads, repbnn_edge.load_delegate(**settings, profiling=path))
        for _ in range(40):
            stock.run(sample)
        del stock
        partitions = json.loads(path.read_text())["partitions"]
        sums.append(sum(segment.get("mean_ms", 0.0) for steps in partitions for segment in steps))
    return min(sums)


def _peak_memory(path: Path, options: argparse.Namespace) -> dict[str, float | None]:
    """Of a process that does nothing else, above what it had when the runtime was imported; the file is in it."""
    import repbnn_edge
    from repbnn_edge.benching.presets import Effort

    report = repbnn_edge.bench(
        path,
        runtimes=("litert", "lce"),
        num_threads=(options.threads,),
        delegate_options={"implementation": options.implementation},
        effort=Effort(num_runs=2, min_secs=0.0, max_secs=10.0),
        repeats=1,
    )
    peaks = [row.peak_memory_bytes for row in report.results]
    return {
        name: None if peak is None else round(peak / 1e6, 1) for name, peak in zip(("ours", "lce"), peaks, strict=True)
    }


def _binary_macs(path: Path) -> int:
    import repbnn_edge

    return int(repbnn_edge.inspect_file(path).macs.binary)


def _popcount_limit() -> float | None:
    """Binary MACs a second of the loop in limit.cc; None, with a word, when it is not built or finds its loop wrong."""
    bench = ROOT / "build/native/native/kernels/bconv2d_bench"
    if not bench.exists():
        print(f"no popcount limit: {bench} is not built (-DREPBNN_BENCHMARKS=ON)", file=sys.stderr)
        return None
    printed = subprocess.run([bench, "auto", "1"], capture_output=True, text=True).stdout
    found = re.search(r"limit: ([0-9.]+) TMAC/s .*\(valid\)", printed)
    if found is None:
        print(
            f"no popcount limit: {printed.partition(chr(10))[0] or 'this processor has no such loop'}", file=sys.stderr
        )
        return None
    return float(found[1]) * 1e12


def _copied(threads: int) -> str:
    from repbnn_edge.benching.ceilings import roofline

    rates = roofline(threads, ())
    return "not measured (make native)" if rates is None else f"{rates['bytes_per_s'] / 1e9:.1f} GB/s"


def _cpu() -> str:
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    found = re.search(r"model name\s*:\s*(.*)", text)
    return found[1] if found else "unknown processor"


if __name__ == "__main__":
    main()
