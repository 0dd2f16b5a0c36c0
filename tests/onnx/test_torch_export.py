"""``repbnn_edge.torch.export``: one line that exports as the importer wants it, whatever state the network is in."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np
import onnx
import pytest

import repbnn_edge
from repbnn_edge.errors import UnsupportedError, UsageError, VerificationError
from repbnn_edge.torch import children, comparing, exporting
from tests.onnx import checking

torch = pytest.importorskip("torch")


class Binary(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.bn = torch.nn.BatchNorm2d(8)
        self.weight = torch.nn.Parameter(torch.randn(8, 8, 3, 3))
        self.fc = torch.nn.Linear(8, 4)

    def forward(self, x):
        x = self.bn(self.conv(x))
        x = torch.nn.functional.conv2d(torch.sign(x), torch.sign(self.weight), padding=1)
        return self.fc(torch.nn.functional.dropout(x.mean((2, 3)), 0.5, self.training))


def test_a_network_in_training_mode_in_double_is_exported_as_it_predicts(tmp_path, capsys):
    torch.manual_seed(0)
    model = Binary().train().double()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    report = repbnn_edge.torch.export(model, torch.zeros(2, 3, 8, 8, dtype=torch.float64), tmp_path / "m.onnx")
    assert (report.exporter, report.reason) == ("dynamo", "")
    assert capsys.readouterr().out == ""
    assert model.training
    assert next(model.parameters()).dtype == torch.float64
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]
    source = checking.load(report.path)
    inputs = checking.random_inputs(source, 1)
    expected = model.eval()(torch.from_numpy(inputs.transpose(0, 3, 1, 2)).double()).detach().numpy()
    np.testing.assert_allclose(source.network(inputs).numpy(), expected, atol=1e-4)


def test_torchscript_steps_in_where_dynamo_cannot_and_says_so(tmp_path, capsys, monkeypatch):
    own = torch.onnx.export

    def without_dynamo(*args, dynamo, **options):
        if dynamo:
            raise RuntimeError("data-dependent branch\nat line 12")
        return own(*args, dynamo=False, **{k: v for k, v in options.items() if k != "external_data"})

    monkeypatch.setattr(torch.onnx, "export", without_dynamo)
    report = repbnn_edge.torch.export(Binary(), torch.zeros(1, 3, 8, 8), tmp_path / "m.onnx")
    assert (report.exporter, report.reason) == ("torchscript", "data-dependent branch")
    assert "data-dependent branch" in capsys.readouterr().err
    assert len(checking.load(report.path).reference.binary_layers) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="dynamo has a process of its own on Linux alone")
def test_a_crash_of_dynamo_does_not_reach_the_user(tmp_path, capfd, monkeypatch):
    own = torch.onnx.export

    def crashing(*args, dynamo, **options):
        if dynamo:
            os.kill(os.getpid(), signal.SIGSEGV)
        return own(*args, dynamo=False, **options)

    monkeypatch.setattr(torch.onnx, "export", crashing)
    report = repbnn_edge.torch.export(Binary(), torch.zeros(1, 3, 8, 8), tmp_path / "m.onnx")
    assert (report.exporter, report.reason) == ("torchscript", "it crashed with SIGSEGV")
    assert "since dynamo cannot (it crashed with SIGSEGV)" in " ".join(capfd.readouterr().err.split())


def test_a_file_of_dynamo_that_cannot_be_loaded_is_not_taken(tmp_path, monkeypatch):
    own = torch.onnx.export

    def wrong(network, arguments, path, *, dynamo, **options):
        own(network, arguments, path, dynamo=False, **{k: v for k, v in options.items() if k != "external_data"})
        if dynamo:
            proto = onnx.load(path)
            weights = next(t for t in proto.graph.initializer if len(t.dims) == 4)
            weights.CopyFrom(onnx.numpy_helper.from_array(np.ones(list(weights.dims), np.int64), weights.name))
            onnx.save(proto, path)

    monkeypatch.setattr(torch.onnx, "export", wrong)
    report = repbnn_edge.torch.export(Binary(), torch.zeros(1, 3, 8, 8), tmp_path / "m.onnx")
    assert report.exporter == "torchscript"
    assert "int64" in report.reason


@pytest.mark.skipif(sys.platform != "linux", reason="dynamo has a process of its own on Linux alone")
def test_a_dynamo_that_does_not_end_is_left(tmp_path, monkeypatch):
    own = torch.onnx.export

    def endless(*args, dynamo, **options):
        if dynamo:
            time.sleep(600)
        return own(*args, dynamo=False, **options)

    monkeypatch.setattr(torch.onnx, "export", endless)
    monkeypatch.setattr(children, "SECONDS", 0.5)
    started = time.monotonic()
    report = repbnn_edge.torch.export(Binary(), torch.zeros(1, 3, 8, 8), tmp_path / "m.onnx")
    assert report.reason == "it was not done after 0 s"
    assert time.monotonic() - started < 60


class Binarize(torch.autograd.function.InplaceFunction):
    """In the manner of BinaryNet.pytorch: no staticmethod, a word among the arguments."""

    def forward(ctx, x, mode="det", inplace=False):
        ctx.inplace = inplace
        ctx.save_for_backward(x)
        return x.clone().div(1).sign() if mode == "det" else x


class Fresh(torch.autograd.Function):
    """The newer manner: ``forward`` without a context."""

    @staticmethod
    def forward(x, mode):
        return x.sign() if mode == "det" else x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)


@pytest.mark.parametrize("function", [Binarize, Fresh])
def test_autograd_functions_that_no_exporter_knows_are_exported_by_their_arithmetic(function, tmp_path, monkeypatch):
    class Custom(Binary):
        def forward(self, x):
            x = function.apply(self.bn(self.conv(x)), "det")
            x = torch.nn.functional.conv2d(x, function.apply(self.weight, "det"), padding=1)
            return self.fc(x.mean((2, 3)))

    def crashed(work):
        raise children.ChildError("it crashed with SIGSEGV")

    monkeypatch.setattr("repbnn_edge.torch.exporting.in_a_child", crashed)
    torch.manual_seed(0)
    apply = torch.autograd.Function.__dict__["apply"]
    report = repbnn_edge.torch.export(Custom(), torch.zeros(1, 3, 8, 8), tmp_path / "m.onnx")
    assert torch.autograd.Function.__dict__["apply"] is apply
    assert [node.op_type for node in onnx.load(report.path).graph.node].count("Sign") >= 1
    assert checking.load(report.path).network is not None


class InPlace(Binary):
    """A sign that PyTorch's exporters lose: it is written into ``data``."""

    def forward(self, x):
        x = self.bn(self.conv(x)) * 1.0
        x.data = torch.sign(x.data)
        x = torch.nn.functional.conv2d(x, torch.sign(self.weight), padding=1)
        return self.fc(x.mean((2, 3)))


def test_a_file_that_lost_a_sign_is_found_and_not_written(tmp_path):
    torch.manual_seed(0)
    with pytest.raises(VerificationError, match="InPlace: the exported file computes something else"):
        repbnn_edge.torch.export(InPlace(), torch.zeros(1, 3, 8, 8), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_of_dynamo_gives_way_to_torchscripts(tmp_path, monkeypatch):
    own = torch.onnx.export

    def wrong(network, arguments, path, *, dynamo, **options):
        own(network, arguments, path, dynamo=False, **{k: v for k, v in options.items() if k != "external_data"})
        if dynamo:
            proto = onnx.load(path)
            bias = next(t for t in proto.graph.initializer if t.name == "fc.bias")
            changed = onnx.numpy_helper.to_array(bias) + np.float32([0.0, 0.0, 0.1, 0.0])
            bias.CopyFrom(onnx.numpy_helper.from_array(changed, bias.name))
            onnx.save(proto, path)

    monkeypatch.setattr(torch.onnx, "export", wrong)
    torch.manual_seed(0)
    report = repbnn_edge.torch.export(Binary(), torch.zeros(1, 3, 8, 8), tmp_path / "m.onnx")
    assert (report.exporter, report.compared) == ("torchscript", True)
    assert "computes something else" in report.reason


def exported(model, size):
    return exporting._run(torch, model.eval(), torch.zeros(1, 3, size, size), dynamo=False)


class Deep(torch.nn.Module):
    """Twenty-four signs in a row: with random weights a flip of one changes everything."""

    def __init__(self, without=-1):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.randn(24, 16, 16, 3, 3))
        self.without = without
        self.stem = torch.nn.Conv2d(3, 16, 3, padding=1)

    def forward(self, x):
        x = self.stem(x)
        for place, weight in enumerate(self.weights):
            signs = x if place == self.without else torch.sign(x)
            x = torch.nn.functional.conv2d(signs, torch.sign(weight), padding=1) / 12.0 + 0.1 * x
        return x.mean((2, 3))


@pytest.mark.parametrize("without", [-1, 20])
def test_where_flips_hide_everything_smooth_signs_tell(without):
    torch.manual_seed(0)
    model, other = Deep(), Deep(without)
    other.load_state_dict(model.state_dict())
    image, right = torch.randn(1, 3, 48, 48), exported(model, 48)
    with torch.no_grad():
        plain = comparing._compared(torch, comparing._runner(torch, model), comparing._session(right), image)
        found = comparing.compare(torch, model, exported(other, 48), image)
    assert not plain.tells
    assert found.tells
    assert found.differs == (without >= 0)


def test_what_neither_exporter_takes_is_an_error_and_leaves_no_file(tmp_path):
    class Broken(torch.nn.Module):
        def forward(self, x):
            raise ValueError("this network was never finished")

    with pytest.raises(UnsupportedError, match="never finished"):
        repbnn_edge.torch.export(Broken(), torch.zeros(1, 3, 8, 8), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_wrong_calls(tmp_path):
    image = torch.zeros(1, 3, 8, 8)
    (tmp_path / "there.onnx").write_bytes(b"x")
    for model, example, name in (
        (Binary(), image, "there.onnx"),
        (Binary(), image, "m.tflite"),
        ("a path", image, "m.onnx"),
        (Binary(), np.zeros((1, 3, 8, 8)), "m.onnx"),
        (Binary(), torch.zeros(1, 3, 8, 8, dtype=torch.int64), "m.onnx"),
        (Binary(), torch.zeros(0, 3, 8, 8), "m.onnx"),
    ):
        with pytest.raises(UsageError):
            repbnn_edge.torch.export(model, example, tmp_path / name)


def test_the_weights_are_in_the_one_file(tmp_path):
    report = repbnn_edge.torch.export(Binary(), torch.zeros(1, 3, 8, 8), tmp_path / "m.onnx")
    model = onnx.load(str(report.path), load_external_data=False)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
