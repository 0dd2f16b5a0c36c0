"""Reports with made-up numbers, for what only shows or compares them, and a file of a made-up LCE."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from repbnn_edge.benching import statistics
from repbnn_edge.benching.report import BenchReport, BenchResult, Latency, OpTime, ReferenceRatio

from . import series

DEVICE = {
    "transport": "host", "id_hash": "c0ffee", "model": "Board 5", "soc_model": "SoC", "abi": "linux-x86_64",
    "kernel": "6.1", "page_size_bytes": 4096, "total_ram_bytes": 8 << 30, "cpu_features": [],
    "cores": [{"id": 0, "max_khz": None, "governor": None}, {"id": 1, "max_khz": 2600000, "governor": "performance"}],
}  # fmt: skip


def samples(median: float, seed: int = 3, count: int = 3, runs: int = 60) -> list[Any]:
    return series.processes(np.random.default_rng(seed), median, count, runs, between=0.006, within=0.01)


def result(
    median: float = 5.0, name: str = "net.tflite", *, ops: bool = False, reasons: Any = (), **changes: Any
) -> BenchResult:
    """A row; ``changes`` replace fields, ``samples`` its samples."""
    taken = changes.pop("samples", None) or samples(median)
    codes = {reason["code"] for reason in reasons}
    status = "failed" if "runner_failed" in codes else "inconclusive" if reasons else "conclusive"
    body: dict[str, Any] = {
        "model": {"path": f"/x/{name}", "sha256": name.encode().hex()[:8] * 8, "bytes": 6_000_000,
                  "macs": {"binary": 4_816_896_000, "float": 12_886_016}},
        "runtime": {"name": "litert", "version": "2.1.0", "float_kernels": "XNNPACK of ai-edge-litert 2.1.0"},
        "delegate": None,
        "device": DEVICE,
        "config": {"num_threads": 1, "cpu_mask": None, "num_runs": 60, "min_secs": 1.0, "max_secs": 9.0,
                   "warmup_runs": 1, "repeats": len(taken)},
        "latency_ms": None if "emulated" in codes else Latency(**asdict(statistics.summarise(taken))),
        "samples_ms": [process.round(6).tolist() for process in taken],
        "runs": sum(map(len, taken)), "init_ms": 12.0, "first_ms": 26.0, "peak_memory_bytes": 26_000_000,
        "ops": operators(median) if ops else None,
        "environment": {"before": {"governors": ["performance"], "temperature_c": 41.0}, "after": {"load": [1.0]}},
        "references": [], "verdict": {"status": status, "reasons": list(reasons)},
    }  # fmt: skip
    return BenchResult.model_validate({**body, **changes})


def operators(median: float) -> list[OpTime]:
    """Five binary steps below 1 T MAC/s, a pool, and what the runtime kept."""
    step = median / 8
    ops = [
        OpTime(index=3 * i, name=f"block{i}/Conv2D", type="bconv2d", mean_ms=step, share=1 / 8,
               macs=int(step * 1e-3 * 6e11), delegated=True, nodes=[3 * i], bytes=60_000 * (i + 1), binary=True)
        for i in range(5)
    ]  # fmt: skip
    pool = OpTime(index=16, name="pool", type="average_pool", mean_ms=step, share=1 / 8, macs=0, delegated=True)
    rest = OpTime(index=None, name="4 operators", type="litert", mean_ms=2 * step, share=2 / 8, macs=0, delegated=False)
    return [*ops, pool, rest]


def report(*results: BenchResult) -> BenchReport:
    """The rows, each compared with the first."""
    first = [np.asarray(process) for process in results[0].samples_ms]
    compared = []
    for row in results:
        value, interval = statistics.ratio([np.asarray(process) for process in row.samples_ms], first)
        reference = ReferenceRatio(name="net.tflite", ratio=value, ci95=interval)
        compared.append(row.model_copy(update={"references": [reference]}))
    return BenchReport(results=compared, interrupted=False)


def full() -> BenchReport:
    """Rows of all kinds."""
    roof = {"popcount_per_s": 1.2e12, "bytes_per_s": 1.1e10}
    long = "a-very-long-name-of-a-network-that-somebody-exported-from-another-framework.tflite"
    doubts = [{"code": "trend", "detail": "the last quarter is +7.1% against the first"}]
    return report(
        result(7.2, ops=True, roofline=roof),
        result(3.6, "mobilenet-v2-int8.tflite"),
        result(294.0, "lce.tflite", reasons=doubts),
        result(5.1, long, ops=True, roofline=roof),
    )


def with_a_later_operator(data: bytes) -> bytes:
    """The file with its last LceQuantize called otherwise."""
    import copy

    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data)
    codes = [code.customCode for code in model.operatorCodes]
    quantize = codes.index(b"LceQuantize")
    model.operatorCodes.append(copy.copy(model.operatorCodes[quantize]))
    model.operatorCodes[-1].customCode = b"LceOfTomorrow"
    last = [operator for operator in model.subgraphs[0].operators if operator.opcodeIndex == quantize][-1]
    last.opcodeIndex = len(model.operatorCodes) - 1
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
