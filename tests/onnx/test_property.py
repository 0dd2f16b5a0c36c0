"""Random networks: whatever is drawn, every binary layer is found and every bit is the file's."""

from __future__ import annotations

import pytest

from tests.onnx import checking

torch = pytest.importorskip("torch")

from tests.onnx.exporting import calibrated, export  # noqa: E402
from tests.onnx.random_networks import Network  # noqa: E402


def check(seed, folder):
    torch.manual_seed(seed)
    model = Network(seed)
    model = calibrated(model, model.size, seed)
    path = export(model, folder / "model.onnx", model.size)
    source = checking.load(path)
    inputs = checking.random_inputs(source, 2, seed)
    described = [(conv.style, conv.weight_style, conv.scaled) for conv, _, _ in model.blocks]
    assert len(source.reference.binary_layers) == len(model.blocks), described
    by_position = [conv for conv, _, _ in model.blocks if conv.scaled_by_position]
    for one in (inputs[:1], inputs[1:]):  # a factor of its own for each sample; one a position ties nothing
        assert by_position or checking.check_tie(path, one) == len(model.blocks), described
    assert source.warnings == []
    assert checking.relative_error(source, inputs) < 0.5, described  # a flip may spread; a wrong layer is far off
    return checking.relative_error(source, inputs)


def test_random_networks_import_exactly(tmp_path):
    errors = [check(seed, tmp_path) for seed in range(12)]
    assert sum(error < 1e-4 for error in errors) >= 9  # without a flip the whole network agrees


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_many_random_networks_import_exactly(seed, tmp_path):
    check(seed, tmp_path)
