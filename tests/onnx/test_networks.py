"""Networks in the authors' idioms, through PyTorch's exporters: every binary layer found, every bit the file's."""

from __future__ import annotations

import numpy as np
import pytest

from tests.onnx import checking

torch = pytest.importorskip("torch")

from tests.onnx.exporting import calibrated, export  # noqa: E402
from tests.onnx.networks import CASES  # noqa: E402


def exported(name, folder, **options):
    torch.manual_seed(0)
    case = CASES[name]
    return export(calibrated(case.make(), case.size), folder / f"{name}.onnx", case.size, **options)


def check(name, path):
    case = CASES[name]
    source = checking.load(path)
    inputs = checking.random_inputs(source)
    reference = source.reference
    assert len(reference.binary_layers) == case.binary_layers
    assert source.warnings == []
    taps = reference.run(inputs)
    for layer in reference.binary_layers:
        assert 0.1 <= (taps[layer.sign_input] < 0).mean() <= 0.9, layer.name
        assert taps[layer.sign_input].shape[-1] == layer.weights.shape[2] * layer.groups
    assert checking.check_tie(path, inputs) == case.binary_layers
    assert checking.relative_error(source, inputs) < 0.05  # a flipped bit spreads; without one it is 1e-6
    return source


@pytest.mark.parametrize("name", list(CASES))
def test_torchscript_exports_import_exactly(name, tmp_path):
    source = check(name, exported(name, tmp_path))
    assert source.beta == (2 if name.startswith("rep") else 1)


@pytest.mark.parametrize("name", ["recu-resnet-20", *(pytest.param(n, marks=pytest.mark.slow) for n in CASES)])
def test_dynamo_exports_import_exactly(name, tmp_path):
    check(name, exported(name, tmp_path, dynamo=True))


@pytest.mark.parametrize(
    "opset", [11, 13, *(pytest.param(n, marks=pytest.mark.slow) for n in (12, 14, 16, 18, 19)), 20]
)
def test_every_opset_of_the_exporters_imports(opset, tmp_path):
    source = checking.load(exported("adabin-resnet-20", tmp_path, opset_version=opset))
    assert len(source.reference.binary_layers) == 6
    assert checking.relative_error(source, checking.random_inputs(source)) < 0.05


def test_unfolded_constants_and_a_dynamic_batch_import_as_the_same_network(tmp_path):
    plain = checking.load(exported("recu-resnet-20", tmp_path))
    axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
    options = {"do_constant_folding": False, "input_names": ["image"], "output_names": ["logits"], "dynamic_axes": axes}
    other = checking.load(exported("recu-resnet-20", tmp_path, **options))
    inputs = checking.random_inputs(plain)
    np.testing.assert_allclose(plain.network(inputs[:1]), other.network(inputs[:1]), rtol=1e-4, atol=1e-5)
    counts = plain.reference.counts()
    assert counts["macs"] == other.reference.counts()["macs"]
    assert counts["parameters"]["binary"] == other.reference.counts()["parameters"]["binary"] == 73728


def test_a_batch_burnt_in_by_the_exporter_is_no_obstacle(tmp_path):
    torch.manual_seed(0)
    model = calibrated(CASES["recu-vgg-small"].make(), 32)
    path = tmp_path / "batch4.onnx"
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (torch.zeros(4, 3, 32, 32),), str(path), opset_version=17, dynamo=False)
    source = checking.load(path)
    inputs = checking.random_inputs(source, count=5)
    assert checking.relative_error(source, inputs) < 1e-4


def test_a_training_export_is_refused_with_the_line_that_says_how(tmp_path):
    from repbnn_edge.errors import UnsupportedError

    torch.manual_seed(0)
    model = calibrated(CASES["bi-real-18"].make(), 64).train()
    path = export(model, tmp_path / "t.onnx", 64, training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)
    with pytest.raises(UnsupportedError, match=r"BatchNormalization.*training mode.*model\.eval\(\)"):
        checking.load(path)


def test_double_convolutions_are_refused_by_name_and_double_constants_are_not(tmp_path):
    from repbnn_edge.errors import UnsupportedError

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(8, 8, 3, 3, dtype=torch.float64))

        def forward(self, x):
            weight = torch.sign(self.weight) * self.weight.abs().mean()
            return torch.nn.functional.conv2d(torch.sign(x * 0.5), weight.float(), padding=1)

    source = checking.load(export(Scaled(), tmp_path / "constants.onnx", 8, channels=8))
    assert checking.relative_error(source, checking.random_inputs(source)) < 1e-5
    model = torch.nn.Conv2d(3, 8, 3).double()
    path = tmp_path / "double.onnx"
    torch.onnx.export(model, (torch.zeros(1, 3, 8, 8, dtype=torch.float64),), str(path), dynamo=False)
    with pytest.raises(UnsupportedError, match=r"double|float64"):
        checking.load(path)


def test_the_users_file_is_left_as_it_is(tmp_path):
    path = exported("recu-resnet-20", tmp_path)
    path.chmod(0o444)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    checking.load(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
