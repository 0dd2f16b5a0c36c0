"""What the SME2 kernels execute for each layer shape of Rep-ReActNet-A, against the fewest BMOPAs that could do it.

    python benchmarks/sme2.py                     # every layer, 128, 256 and 512-bit vectors, NEON beside it
    python benchmarks/sme2.py --kernel sme2       # the kernel that never leaves streaming mode
    python benchmarks/sme2.py --layers 3          # three layers of different sizes
    python benchmarks/sme2.py --model             # also a model (not a measurement) of milliseconds on M4 and C1
    python benchmarks/sme2.py --json counts.json

Instructions are counted exactly under an emulator (tools/qemu/fetch.sh, tools/qemu/execution.py); it knows no time.
"alone": the convolution up to its floats; "full": with the epilogue of a Rep-ReActNet block. A BMOPA of vectors of V
bits does (V / 32)^2 * 32 binary multiply-accumulates; "rounded" is the fewest after pixels, filters and channels are
rounded up to its tile.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(ROOT / "tools" / "qemu"), str(ROOT / "benchmarks")]

import device  # noqa: E402
import execution  # noqa: E402
import opcodes  # noqa: E402
import sme2_model  # noqa: E402

SYSROOT = Path("/usr/aarch64-linux-gnu")
MARKERS = ("bench_counting_begins", "bench_counting_ends")
PARTS = ("alone", "full")
BITS = (128, 256, 512)
PEER = "neon"


@dataclass(frozen=True)
class Layer:
    """One shape; ``numbers`` are the bench's numbers of the network's layers that have it."""

    numbers: tuple[int, ...]
    kernel: int
    stride: int
    channels: int
    filters: int
    branches: int
    height: int
    width: int

    @property
    def name(self) -> str:
        side = f"{self.kernel}x{self.kernel}" + (f"/{self.stride}" if self.stride > 1 else "")
        branches = f" x{self.branches}" if self.branches > 1 else ""
        return f"{side} {self.channels} -> {self.filters}{branches} on {self.height}"

    @property
    def macs(self) -> int:
        """Binary multiply-accumulates of one such layer, all branches."""
        return self.branches * self.height * self.width * self.filters * self.kernel**2 * self.channels

    def fewest(self, bits: int) -> float:
        return self.macs / ((bits // 32) ** 2 * 32)

    def rounded(self, bits: int) -> int:
        tile = bits // 32
        tiles = ceil(self.height * self.width / tile) * ceil(self.filters / tile)
        return self.branches * tiles * self.kernel**2 * ceil(self.channels / 32)


@dataclass
class Count:
    """What one pass over a layer executes."""

    classes: Counter[str]
    moved: Counter[tuple[str, int]]

    @property
    def all(self) -> int:
        return sum(self.classes.values())


Counts = dict[tuple[str, int, str, Layer], Count]
"""By kernel, bits (0: no streaming vectors), part and layer."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--layers", type=int, help="only so many different shapes, spread over the network")
    parser.add_argument("--bits", type=int, nargs="+", default=BITS, help="streaming vector lengths")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--kernel", default="sme2_neon", help="sme2_neon, which auto chooses, or sme2")
    parser.add_argument("--no-peer", action="store_true", help="leave the NEON kernels out")
    parser.add_argument("--model", action="store_true", help="print a model of milliseconds")
    parser.add_argument("--bench", type=Path, help="a bconv2d_bench for aarch64; else it is built")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    emulator = _emulator()
    if emulator is None:
        print("unavailable: no emulator with SME2; tools/qemu/fetch.sh says why", file=sys.stderr)
        return 1
    bench = options.bench or device.compile_targets("linux-aarch64", "bconv2d_bench") / "native/kernels/bconv2d_bench"
    layers = _layers(emulator, bench, options.layers)
    counts: Counts = {}
    console = Console(width=None if sys.stdout.isatty() else 150)
    with console.status("counting") as status:
        for kernel, bits in [(options.kernel, bits) for bits in options.bits] + [(PEER, 0)] * (not options.no_peer):
            for part in options.parts:
                for layer in layers:
                    status.update(f"counting {kernel} {bits or ''} {part}: {layer.name}")
                    counts[kernel, bits, part, layer] = _count(emulator, bench, kernel, bits, part, layer)
    for bits in options.bits:
        console.print(_layer_table(counts, options.kernel, layers, bits, options.parts))
    console.print(_class_table(counts, options.kernel, layers, options.bits, options.parts))
    if options.model:
        console.print(_model_table(counts, options.kernel, layers, options.parts))
    if options.json:
        options.json.write_text(json.dumps(_report(counts, options.kernel, layers), indent=1) + "\n")
    return 0


def _emulator() -> Path | None:
    done = subprocess.run([ROOT / "tools" / "qemu" / "fetch.sh"], capture_output=True, text=True)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def _layers(emulator: Path, bench: Path, wanted: int | None) -> list[Layer]:
    """The network's shapes, equal ones once; ``wanted`` of them with both ends, evenly spread."""
    listed = subprocess.run([emulator, "-L", SYSROOT, bench, "layers"], capture_output=True, text=True, check=True)
    shapes: dict[tuple[int, ...], list[int]] = {}
    for number, line in enumerate(listed.stdout.splitlines()[1:]):
        _, kernel, _, *shape = map(int, line.split())
        shapes.setdefault((kernel, *shape), []).append(number)
    layers = [Layer(tuple(numbers), *shape) for shape, numbers in shapes.items()]
    if wanted is None or wanted >= len(layers):
        return layers
    last = len(layers) - 1
    return [layers[i * last // max(wanted - 1, 1)] for i in range(wanted)]


def _count(emulator: Path, bench: Path, kernel: str, bits: int, part: str, layer: Layer) -> Count:
    # FEAT_SME_FA64 would let NEON run in streaming mode, as it does not on Apple's cores.
    cpu = f"max,sme_fa64=off,sme-default-vector-length={bits // 8}" if bits else "max"
    command = [emulator, "-cpu", cpu, "-L", SYSROOT, bench, "count", kernel, part, "1", str(layer.numbers[0])]
    executed = execution.executed(command, MARKERS)
    return Count(execution.by_class(executed), execution.vectors(executed))


def _network(counts: Counts, layers: Iterable[Layer], kernel: str, bits: int, part: str) -> Count:
    """The sum over the network's layers (over those that were counted)."""
    sums = Count(Counter(), Counter())
    for layer in layers:
        one = counts[kernel, bits, part, layer]
        for _ in layer.numbers:
            sums.classes.update(one.classes)
            sums.moved.update(one.moved)
    return sums


def _layer_table(counts: Counts, kernel: str, layers: list[Layer], bits: int, parts: Iterable[str]) -> Table:
    title = f"{bits}-bit vectors, {(bits // 32) ** 2 * 32:,} binary MACs a BMOPA; loads, stores, all in thousands"
    table = Table(title=title)
    for column in ("layer", "times", "fewest", "rounded", "BMOPA", "of\nfewest", "of\nrounded"):
        table.add_column(column, justify="left" if column == "layer" else "right", no_wrap=True)
    for part in parts:
        for column in ("loads", "stores", "all"):
            table.add_column(f"{column},\n{part}", justify="right", no_wrap=True)
    first = next(iter(parts))
    for layer in layers:
        bmopa = counts[kernel, bits, first, layer].classes["bmopa"]
        row = [layer.name, str(len(layer.numbers)), f"{layer.fewest(bits):,.0f}", f"{layer.rounded(bits):,}"]
        row += [f"{bmopa:,}", f"{bmopa / layer.fewest(bits):.3f}", f"{bmopa / layer.rounded(bits):.3f}"]
        table.add_row(*row, *_cells(counts[kernel, bits, part, layer] for part in parts))
    fewest = sum(len(layer.numbers) * layer.fewest(bits) for layer in layers)
    rounded = sum(len(layer.numbers) * layer.rounded(bits) for layer in layers)
    sums = [_network(counts, layers, kernel, bits, part) for part in parts]
    bmopa = sums[0].classes["bmopa"]
    row = ["all", str(sum(len(layer.numbers) for layer in layers)), f"{fewest:,.0f}", f"{rounded:,}", f"{bmopa:,}"]
    table.add_section()
    table.add_row(*row, f"{bmopa / fewest:.3f}", f"{bmopa / rounded:.3f}", *_cells(sums))
    return table


def _cells(counts: Iterable[Count]) -> list[str]:
    return [f"{n / 1e3:,.0f}" for count in counts for n in (count.classes["load"], count.classes["store"], count.all)]


def _class_table(
    counts: Counts, kernel: str, layers: list[Layer], lengths: Iterable[int], parts: Iterable[str]
) -> Table:
    table = Table(
        title="instructions of all these layers in thousands, by class (tools/qemu/opcodes.py says what each is)"
    )
    table.add_column("class", no_wrap=True)
    columns = [(kernel, bits) for bits in lengths] + ([(PEER, 0)] if any(key[0] == PEER for key in counts) else [])
    sums = []
    for part in parts:
        for name, bits in columns:
            table.add_column(f"{name} {bits or ''}\n{part}", justify="right", no_wrap=True)
            sums.append(_network(counts, layers, name, bits, part))
    for name in opcodes.CLASSES:
        if any(count.classes[name] for count in sums):
            table.add_row(name, *(f"{count.classes[name] / 1e3:,.1f}" for count in sums))
    table.add_section()
    table.add_row("all", *(f"{count.all / 1e3:,.1f}" for count in sums))
    macs = sum(len(layer.numbers) * layer.macs for layer in layers)
    table.add_row("for 128 binary MACs", *(f"{count.all / macs * 128:.4f}" for count in sums))
    return table


def _model_table(counts: Counts, kernel: str, layers: list[Layer], parts: Iterable[str]) -> Table:
    title = "MODEL, not a measurement: milliseconds of these layers on one core, 512-bit vectors"
    table = Table(title=title, caption="\n".join(f"{core.name}: {core.published}" for core in sme2_model.CORES))
    columns = (
        "core",
        "part",
        "BMOPA",
        "rest of unit",
        "loads",
        "stores",
        "scalar",
        "neon",
        "all",
        f"all {PEER}, least",
    )
    for column in columns:
        table.add_column(column, justify="left" if column in ("core", "part") else "right")
    for core in sme2_model.CORES:
        for part in parts:
            modelled = _modelled(core, counts, kernel, layers, part)
            if modelled is not None:
                peer = modelled.pop("peer", None)
                table.add_row(core.name, part, *map(_range, modelled.values()), "-" if peer is None else f"{peer:.2f}")
    return table


def _modelled(
    core: sme2_model.Rates, counts: Counts, kernel: str, layers: list[Layer], part: str
) -> dict[str, Any] | None:
    if (kernel, 512, part, layers[0]) not in counts:
        return None
    sums = _network(counts, layers, kernel, 512, part)
    modelled: dict[str, Any] = sme2_model.milliseconds(core, sums.classes, sums.moved)
    if (PEER, 0, part, layers[0]) in counts:
        neon = _network(counts, layers, PEER, 0, part).classes["neon"]
        modelled["peer"] = sme2_model.neon_milliseconds(core, neon)
    return modelled


def _range(ends: tuple[float, float]) -> str:
    low, high = (f"{end:.2f}" for end in ends)
    return low if low == high else f"{low} to {high}"


def _report(counts: Counts, kernel: str, layers: list[Layer]) -> dict[str, Any]:
    rows = []
    for (name, bits, part, layer), count in counts.items():
        row: dict[str, Any] = {"kernel": name, "bits": bits, "part": part, "layer": layer.name}
        row |= {"times": len(layer.numbers), "macs": layer.macs, "all": count.all}
        if bits:
            row |= {"fewest": layer.fewest(bits), "rounded": layer.rounded(bits)}
        moved = {f"{kind} {registers}": n for (kind, registers), n in sorted(count.moved.items())}
        rows.append(row | {"classes": dict(count.classes), "moved": moved})
    models = [
        {"core": core.name, "part": part, "published": core.published, "milliseconds": modelled}
        for core in sme2_model.CORES
        for part in PARTS
        if (modelled := _modelled(core, counts, kernel, layers, part)) is not None
    ]
    return {"counts": rows, "model_not_a_measurement": models}


if __name__ == "__main__":
    sys.exit(main())
