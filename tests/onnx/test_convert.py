"""The whole road: an ONNX file becomes a flatbuffer that is proven layer by layer against onnxruntime."""

from __future__ import annotations

import pytest

import repbnn_edge
from tests.onnx.building import model, normal, number, save, signs

torch = pytest.importorskip("torch")

from tests.onnx.exporting import calibrated, export  # noqa: E402
from tests.onnx.networks import CASES  # noqa: E402


def proven(path, tmp_path, binary, **options):
    report = repbnn_edge.convert(path, tmp_path / "out.tflite", samples=2, **options)
    proof = report.verification
    assert proof.passed
    assert proof.exact_binary_layers == proof.binary_layers == binary
    assert (report.binary_convolutions.found, report.binary_convolutions.binary) == (binary, binary)
    assert proof.max_float_error <= 1e-4
    return report


SHORT = ("rep-reactnet-a", "adabin-resnet-20", "xnor-net")


@pytest.mark.parametrize("name", [n if n in SHORT else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_every_network_is_proven(name, tmp_path):
    torch.manual_seed(0)
    case = CASES[name]
    path = export(calibrated(case.make(), case.size), tmp_path / "model.onnx", case.size)
    report = proven(path, tmp_path, case.binary_layers)
    assert report.source.kind == "onnx"
    assert 0 <= report.verification.notes["source_optimised_flipped_bit_rate"] < 0.05
    assert 0 <= report.verification.notes["source_optimised_top1_agreement"] <= 1


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_symmetric_padding_on_even_maps_survives_lce(kernel, tmp_path):
    """A float, a depthwise and a binary convolution of stride 2: LCE alone turns (p, p) into (p - 1, p)."""
    attributes = {"pads": [kernel // 2] * 4, "strides": [2, 2]}
    steps = [
        *(("Conv", "x v", "f", attributes), ("Conv", "f d", "g", {**attributes, "group": 4})),
        *(("Sign", "g", "b"), ("Conv", "b w", "c", attributes), ("Mul", "c scale", "y")),
    ]
    weights = {"v": normal(4, 4, kernel, kernel), "d": normal(4, 1, kernel, kernel), "w": signs(8, 4, kernel, kernel)}
    path = save(model(steps, {**weights, "scale": number(0.1)}, shape=(1, 4, 64, 64)), tmp_path)
    proven(path, tmp_path, 1)


def test_the_keras_file_is_a_source_again(tmp_path):
    torch.manual_seed(0)
    path = export(calibrated(CASES["recu-resnet-20"].make(), 32), tmp_path / "model.onnx", 32)
    first = proven(path, tmp_path, 6, keras=tmp_path / "net.keras")
    again = repbnn_edge.convert(tmp_path / "net.keras", tmp_path / "again.tflite", samples=2)
    assert again.verification.passed
    assert again.macs == first.macs
    assert again.bytes == pytest.approx(first.bytes, rel=0.05)


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_shrunk_float_weights_are_judged_by_the_numbers_that_the_file_holds(kind, tmp_path):
    """The error is that of float32 arithmetic, not of the rounding: onnxruntime runs with the file's own weights."""
    torch.manual_seed(0)
    path = export(calibrated(CASES["recu-resnet-20"].make(), 32), tmp_path / "model.onnx", 32)
    before = path.read_bytes()
    report = proven(path, tmp_path, 6, float_weights=kind)
    assert report.verification.max_float_error <= 1e-5
    assert path.read_bytes() == before


def test_weights_that_are_no_rounding_of_the_sources_are_found(tmp_path):
    path = save(model(DENSE, {**DENSE_WEIGHTS, "v": normal(20, 64)}), tmp_path, "right.onnx")
    repbnn_edge.convert(path, tmp_path / "right.tflite", float_weights="float16", samples=2)
    moved = normal(20, 64)
    moved[2, 3] += 0.05
    other = save(model(DENSE, {**DENSE_WEIGHTS, "v": moved}), tmp_path, "wrong.onnx")
    proof = repbnn_edge.verify(other, tmp_path / "right.tflite", samples=2).verification
    assert not proof.passed
    assert any("no rounding of the source's" in failure for failure in proof.failures)


DENSE = [
    *(("Sign", "x", "b"), ("Conv", "b w", "c"), ("GlobalAveragePool", "c", "p"), ("Flatten", "p", "f")),
    ("Gemm", "f v", "y", {"transB": 1}),
]
DENSE_WEIGHTS = {"w": signs(64, 4, 3, 3) * normal(64, 1, 1, 1)}
