"""onnx2tf for full-precision operators beyond the importer: a process without a network, judged by its numbers."""

from __future__ import annotations

import socket
import subprocess
import sys

import numpy as np
import pytest
from repbnn_converters.onnx import foreign
from repbnn_converters.onnx import network as ir
from repbnn_converters.onnx.importing import import_network

from repbnn_edge.errors import UnsupportedError
from tests.onnx import checking
from tests.onnx.building import integers, model, number, save, signs

BINARY = [("Sign", "x", "b"), ("Conv", "b w", "c", {"pads": [1, 1, 1, 1]})]
WEIGHTS = {"w": signs(8, 4, 3, 3) * np.float32(0.25)}
POOL = [*BINARY, ("LpPool", "c", "y", {"kernel_shape": [2, 2], "strides": [2, 2]})]


def test_an_operator_beyond_the_importer_is_left_to_onnx2tf_and_comes_out_equal(tmp_path):
    path = save(model(POOL, WEIGHTS, opset=18), tmp_path)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    source = checking.load(path)
    assert checking.relative_error(source, checking.random_inputs(source)) < 1e-5
    assert "'LpPool_y' (LpPool): it is full precision and beyond the importer" in source.warnings[0]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "steps",
    [
        [("Celu", "c", "y", {"alpha": 0.7})],
        [("Softmax", "c", "y", {"axis": 1})],
        [("Mish", "c", "y")],
        [("Pad", "c pads", "y", {"mode": "reflect"})],
    ],
)
def test_more_operators_come_out_equal(steps, tmp_path):
    pads = {"pads": integers(0, 0, 1, 1, 0, 0, 1, 1)}
    source = checking.load(save(model([*BINARY, *steps], {**WEIGHTS, **pads}, opset=18), tmp_path))
    assert checking.relative_error(source, checking.random_inputs(source)) < 1e-5


def test_what_does_not_come_out_equal_is_refused_by_name(tmp_path, monkeypatch):
    path = save(model(POOL, WEIGHTS, opset=18), tmp_path)
    monkeypatch.setattr(foreign, "_convert", lambda layer, folder, what: [(folder, True), (folder, False)])

    class Wrong:
        input_shape, output = (1, 6, 6, 8), "y"

        def run(self, batch):
            return {"y": np.zeros((1, 3, 3, 8), np.float32)}

    monkeypatch.setattr(foreign, "_graph", lambda saved: Wrong())
    with pytest.raises(UnsupportedError, match=r"'LpPool_y' \(LpPool\): .*onnx2tf makes nothing equal of it, export"):
        checking.load(path)


def test_what_takes_too_long_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "SECONDS", 0.2)
    with pytest.raises(UnsupportedError, match=r"'LpPool_y' \(LpPool\): .*onnx2tf was not done with it after 0 s"):
        checking.load(save(model(POOL, WEIGHTS, opset=18), tmp_path))


@pytest.mark.parametrize(
    "step",
    [("Sign", "c", "s"), ("Floor", "c", "s"), ("Bernoulli", "c", "s"), ("Conv", "c v", "s")],
    ids=lambda step: step[0],
)
def test_binary_layers_steps_and_noise_never_go_there(step, tmp_path):
    steps = [*BINARY, step, ("Mul", "s two", "y")]
    path = save(model(steps, {**WEIGHTS, "v": signs(2, 8, 1, 1), "two": number(2)}), tmp_path)
    try:
        network = import_network(path).network
    except UnsupportedError as error:
        assert f"({step[0]})" in str(error)
    else:
        assert not [layer for layer in network.layers if isinstance(layer, ir.Foreign)]


@pytest.mark.parametrize(
    "way", ["socket.create_connection(('127.0.0.1', port), 5)", "socket.getaddrinfo('localhost', port)"]
)
def test_the_worker_has_no_network(way):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        code = (
            "import socket; from repbnn_converters.onnx.foreign_worker import without_network; without_network()\n"
            f"port = {server.getsockname()[1]}\n{way}"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "a conversion has no network" in done.stderr
