"""The answer of the host's other runtime, with which every row's own is compared before it is timed."""

from __future__ import annotations

import base64
import contextlib
import importlib.metadata
import importlib.util
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repbnn_edge import console, settings
from repbnn_edge.benching.denormals import warn_of
from repbnn_edge.benching.inputs import difference, noise
from repbnn_edge.benching.report import OutputCheck
from repbnn_edge.benching.rows import Row
from repbnn_edge.benching.subjects import inspected
from repbnn_edge.benching.verdicts import Reason, of_output
from repbnn_edge.devices.host import HostDevice
from repbnn_edge.errors import RepbnnError
from repbnn_edge.files import scratch_folder, sweep_scratch, write_whole
from repbnn_edge.inspection.report import TensorRow
from repbnn_edge.tflite import lce, schema

_SECONDS = 300.0


@dataclass(frozen=True)
class Expected:
    """An answer.

    Attributes:
        against: whose it is.
        data: raw bytes of all outputs.
        tensors: the outputs.
    """

    against: str
    data: bytes
    tensors: Sequence[TensorRow]

    def check(self, outputs: bytes) -> tuple[OutputCheck, list[Reason]]:
        """Compare a row's answer with it."""
        found = difference(outputs, self.data, self.tensors)
        size = min(found.size, 1e9)  # JSON knows no infinity
        check = OutputCheck(against=self.against, difference=size, same_top1=found.same_top1, inputs=1)
        return check, of_output(check)


class Answers:
    """Inputs and expected answers of files; inputs lie in a folder that ends with this object's ``with``.

    LCE's interpreter comes with tensorflow and takes seconds to start, so its answers are kept in the cache, by the
    file's hash. Where the other runtime is not installed, refuses the file or is wrong on it, nothing is expected.
    """

    def __init__(self, *, check: bool = True) -> None:
        self._check = check
        self._folder: Path | None = None
        self._known: dict[tuple[Path, str], Expected | None] = {}
        self.seconds = 0.0

    @contextlib.contextmanager
    def open(self) -> Iterator[Answers]:
        """Where inputs may be written."""
        sweep_scratch()
        with scratch_folder() as self._folder:
            yield self

    def input_of(self, file: Path) -> Path:
        """The raw bytes that every runtime and device is fed."""
        assert self._folder is not None
        about = inspected(file)
        path = self._folder / f"{about.sha256[:16]}.bin"
        if not path.exists():
            path.write_bytes(noise(about.inputs))
        return path

    def prepare(self, rows: Sequence[Row]) -> None:
        """Run what is not known yet, each file once a runtime; warn of denormals."""
        for row in rows:
            self.expected(row)
        if self._check:
            self.seconds += warn_of(rows, self.input_of)

    def expected(self, row: Row) -> Expected | None:
        """What a row must answer; None where nothing is known."""
        if not self._check:
            return None
        for judge in _judges(row):
            key = (row.file, judge)
            if key not in self._known:
                self._known[key] = self._find(row.file, judge)
            if self._known[key] is not None:
                return self._known[key]
        return None

    def _find(self, file: Path, runtime: str) -> Expected | None:
        version = _version(runtime)
        if version is None or (runtime == "lce" and lce_errs(file)):
            return None
        about = inspected(file)
        kept = settings.cache_folder() / "answers" / f"{about.sha256[:32]}-{runtime}-{version}.bin"
        if runtime == "lce" and kept.is_file():
            return Expected(f"{runtime} {version}", kept.read_bytes(), about.outputs)
        began = time.perf_counter()
        with console.step(f"running {file.name} in {runtime}, to compare answers"):
            data = self._run(file, runtime)
        self.seconds += time.perf_counter() - began
        if data is None:
            return None
        if runtime == "lce":
            with contextlib.suppress(OSError, RepbnnError):  # a cache that cannot be written only costs time
                kept.parent.mkdir(parents=True, exist_ok=True)
                write_whole(kept, data)
        return Expected(f"{runtime} {version}", data, about.outputs)

    def _run(self, file: Path, runtime: str) -> bytes | None:
        request: dict[str, Any] = {
            "file": str(file.resolve()), "runtime": runtime, "num_threads": 1, "delegate": "auto",
            "delegate_options": {}, "input": str(self.input_of(file)), "check_only": True, "cores": [],
        }  # fmt: skip
        data = None
        try:
            for event in HostDevice().run(request, _SECONDS):
                if event["event"] == "outputs":
                    data = base64.b64decode(event["data"])
        except RepbnnError as error:
            console.note(f"{file.name} in {runtime}: {error}")
        return data


def _judges(row: Row) -> tuple[str, ...]:
    """The runtimes of this machine that may say what a row must answer, the best first: never the one that runs it."""
    if row.runtime == "lce":
        return ("litert",)
    return ("lce",) if row.device.name == "host" else ("lce", "litert")


def lce_errs(file: Path) -> bool:
    """Whether LCE's own kernels are wrong on a file: zero padding under a kernel that is larger than the map.

    Measured in LCE 0.16; our delegate is the mathematical convolution there (docs/delegate.md).
    """
    model = schema.load(file.read_bytes(), str(file))
    for operator in model.operators:
        if operator.op == "LceBconv2d":
            layer = lce.read_bconv2d(model, operator)
            if exceeds(layer, model.tensors[layer.input].shape):
                return True
    return False


def exceeds(layer: lce.Bconv2d, shape: Sequence[int]) -> bool:
    """Whether a layer pads a map of (1, rows, columns, words) with zeros under a kernel that is larger than it."""
    spans = [(size - 1) * dilation + 1 for size, dilation in zip(layer.kernel, layer.dilations, strict=True)]
    reaches = any(span > size for span, size in zip(spans, shape[1:3], strict=True))
    return layer.padding == "SAME" and layer.pad_value == 0 and reaches


def _version(runtime: str) -> str | None:
    """The version of a runtime's package, None where it is not installed; nothing is imported."""
    module, package = {
        "lce": ("larq_compute_engine", "larq-compute-engine"),
        "litert": ("ai_edge_litert", "ai-edge-litert"),
    }[runtime]
    if importlib.util.find_spec(module) is None:
        return None
    return importlib.metadata.version(package)
