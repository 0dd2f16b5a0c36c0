"""A network whose maps hold denormals is told from one whose do not, once a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repbnn_edge.benching import denormals
from repbnn_edge.benching.rows import Row
from repbnn_edge.devices.host import HostDevice
from repbnn_edge.runtime import delegate as delegate_module
from tests.runtime.flatbuffer_writer import Writer

pytestmark = pytest.mark.skipif(delegate_module.find_library() is None, reason="no delegate was built here")
SHAPE = (1, 4, 4, 32)


def _network(folder: Path, scale: float) -> Path:
    """A binary convolution whose output is scaled."""
    writer = Writer(1)
    sums = writer.bconv2d(writer.quantize(writer.input(SHAPE)), 32)
    scaled = writer.add("MUL", [sums, writer.constant(np.full(32, scale, np.float32))], SHAPE, table="MulOptions")
    path = folder / f"{scale}.tflite"
    path.write_bytes(writer.write(scaled))
    return path


def _input(_: Path, folder: Path) -> Path:
    path = folder / "input.bin"
    path.write_bytes(np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32).tobytes())
    return path


def test_denormals_are_told_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPBNN_CACHE_DIR", str(tmp_path / "cache"))
    looked: list[Path] = []
    look = denormals.look

    def counted(file: Path, values: Path) -> Any:
        looked.append(file)
        return look(file, values)

    monkeypatch.setattr(denormals, "look", counted)
    files = {scale: _network(tmp_path, scale) for scale in (1.0, 1e-42)}
    for _ in range(2):
        for scale, file in files.items():
            row = Row(file, "litert", 1, "auto", {}, HostDevice())
            denormals.warn_of([row, row], lambda path: _input(path, tmp_path))
            said = " ".join(capsys.readouterr().err.split())
            assert ("hold denormals" in said) == (scale < 1), said
            if scale < 1:
                assert "behind operator 2 (MUL)" in said
    assert looked == list(files.values())


def test_a_file_that_does_not_run_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"no flatbuffer, though it says LceBconv2d")
    assert denormals.look(path, _input(path, tmp_path)) is None


def test_a_delegate_that_counts_none_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was built before this, which REPBNN_DELEGATE_LIBRARY may name."""

    def run(self: HostDevice, request: dict[str, Any], limit: float) -> Any:
        earlier = '{"partitions": [[{"nodes": [1], "step": "quantize", "mean_ms": 1.0}]]}'
        Path(request["delegate_options"]["profiling"]).write_text(earlier)
        return iter(())

    monkeypatch.setattr(HostDevice, "run", run)
    path = _network(tmp_path, 1.0)
    assert denormals.look(path, _input(path, tmp_path)) is None
