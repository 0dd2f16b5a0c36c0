"""What a second thread gains, and what it costs when another process holds its core.

    python benchmarks/threads.py rep-adambnn-reactnet-a

One thread and two in turns, in stock LiteRT with the delegate: first on the machine as it is (the fastest of N of each:
two idle cores give their full gain only on an idle machine), then beside a process that spins on the last core (the
medians: two threads may cost at most 1.2 times one).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics

import numpy as np
from delegate import Stock, file_of


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", help="a .tflite file, or the name of a built-in network")
    parser.add_argument("--rounds", type=int, default=40, help="of five runs with one thread and five with two")
    options = parser.parse_args()
    data = file_of(options.source).read_bytes()
    one, two = (_with_threads(data, threads) for threads in (1, 2))
    quiet = _in_turns(one, two, options.rounds)
    spinner = multiprocessing.get_context("spawn").Process(
        target=_spin, args=(max(os.sched_getaffinity(0)),), daemon=True
    )
    spinner.start()
    try:
        beside = _in_turns(one, two, options.rounds)
    finally:
        spinner.kill()
    row = {
        "one_thread_ms": round(1e3 * min(quiet[0]), 3),
        "two_threads_ms": round(1e3 * min(quiet[1]), 3),
        "times_faster": round(min(quiet[0]) / min(quiet[1]), 2),
        "times_faster_median": round(statistics.median(quiet[0]) / statistics.median(quiet[1]), 2),
        "one_core_busy_median_ms": [round(1e3 * statistics.median(times), 3) for times in beside],
        "one_core_busy_two_over_one": round(statistics.median(beside[1]) / statistics.median(beside[0]), 2),
    }
    print(json.dumps(row))


def _with_threads(data: bytes, threads: int) -> Stock:
    import repbnn_edge

    return Stock(data, threads, repbnn_edge.load_delegate(num_threads=threads, log_level="error"))


def _in_turns(one: Stock, two: Stock, rounds: int) -> tuple[list[float], list[float]]:
    sample = np.random.default_rng(0).normal(size=one.input["shape"]).astype(np.float32)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for stock, own in zip((one, two), times, strict=True):
            own += [stock.run(sample) for _ in range(5)]
    return times


def _spin(core: int) -> None:
    os.sched_setaffinity(0, {core})
    while True:
        pass


if __name__ == "__main__":
    main()
