"""Every network of larq-zoo converts and is proven, before and after RepTran, every binary layer binary."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from repbnn_edge import convert, rep_tran, zoo

if importlib.util.find_spec("larq_zoo") is None:
    pytest.skip("larq-zoo is not installed", allow_module_level=True)

ALL = [name for name in zoo.NETWORKS if name != "DoReFaNet"]
BINARY_LAYERS = {"QuickNetSmall": 16, "MeliusNet22": 34, "XNORNet": 6, "BinaryAlexNet": 7}


def check(name: str, size: int, beta: int, folder: Path) -> int:
    model = zoo.build(name, (size, size, 3))
    if beta > 1:
        model = rep_tran(model, beta)
        zoo.calibrate(model)
    report = convert(model, folder / "model.tflite", samples=2)
    counts, proof = report.binary_convolutions, report.verification
    assert counts.found == counts.binary == BINARY_LAYERS.get(name, counts.found)
    assert proof is not None
    assert proof.passed
    assert proof.exact_binary_layers == proof.binary_layers == counts.found > 0
    return report.bytes


def test_a_transformed_network_converts_and_is_proven(tmp_path: Path) -> None:
    check("QuickNetSmall", 32, 2, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("beta", [1, 2, 4])
@pytest.mark.parametrize("name", ALL)
def test_every_network_converts_and_is_proven(name: str, beta: int, tmp_path: Path) -> None:
    size = check(name, 224, beta, tmp_path)
    if (name, beta) == ("XNORNet", 1):
        assert size <= 24_000_000  # LCE alone leaves a quantiser in the graph and writes 170 MB
