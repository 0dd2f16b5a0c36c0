"""How long an import takes: Rep-ReActNet-A as PyTorch exports it, and graphs ten times as long.

    python benchmarks/importing.py                  # exports the network first (needs PyTorch)
    python benchmarks/importing.py model.onnx       # any other file

Seconds are the fastest of --runs in one warm process, wall clock and CPU; on a busy machine trust the CPU's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments.model or exported(Path(folder)), arguments.runs)
        lengths(Path(folder), arguments.runs)


def exported(folder: Path) -> Path:
    """Rep-ReActNet-A, beta 2, 224x224, by TorchScript: the longer of the two exporters' graphs."""
    import torch

    from tests.onnx.exporting import export
    from tests.onnx.networks.reactnet import ReActNetA

    torch.manual_seed(0)
    return export(ReActNetA(rep=2, classes=1000).eval(), folder / "rep-reactnet-a.onnx", 224)


def measure(path: Path, runs: int) -> None:
    from repbnn_converters.onnx.importing import import_network
    from repbnn_converters.onnx.keras_lowering import to_keras

    from repbnn_edge.lowering import lower_model

    imported = import_network(path)
    model, _ = to_keras(imported.network, path.stem)
    network = imported.network
    print(f"{path.name}: {len(imported.model.graph.node)} nodes, {len(network.binary)} binary layers")
    row("ONNX to our IR", lambda: import_network(path), runs)
    row("our IR to Keras", lambda: to_keras(network, path.stem), runs)
    row("Keras to flatbuffer", lambda: lower_model(model), runs)


def lengths(folder: Path, runs: int) -> None:
    """A chain of residual sign blocks, and one ten times as long."""
    from repbnn_converters.onnx.importing import import_network

    from tests.onnx.building import model, normal, save, signs

    for blocks in (100, 1000):
        steps: list[Any] = []
        value = "x"
        for i in range(blocks):
            steps += [
                *(("Sign", value, f"s{i}"), ("Tanh", value, f"f{i}"), ("Sub", f"s{i} f{i}", f"d{i}")),
                *(("Add", f"d{i} f{i}", f"b{i}"), ("Conv", f"b{i} w", f"c{i}"), ("Mul", f"c{i} g", f"m{i}")),
                ("Add", f"m{i} {value}", f"y{i}"),
            ]
            value = f"y{i}"
        path = save(model(steps, {"w": signs(4, 4, 1, 1), "g": normal(1, 4, 1, 1)}), folder, f"{blocks}.onnx")
        row(f"{len(steps)} nodes to our IR", lambda path=path: import_network(path), runs)


def row(name: str, run: Callable[[], Any], runs: int) -> None:
    wall, cpu = [], []
    for _ in range(runs):
        start, used = time.perf_counter(), time.process_time()
        run()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    print(f"{name:24} {min(wall):7.2f} s wall, {min(cpu):7.2f} s CPU")


if __name__ == "__main__":
    main()
