"""The two-step recipe on a handful of made pictures: it learns, goes on, and its network is the built-in one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra: pip install repbnn-edge[training]")

from repbnn_training import imagenet  # noqa: E402
from repbnn_training.reactnet import ReActNetA, TwoStepConv2d  # noqa: E402

from repbnn_edge.errors import UsageError  # noqa: E402
from repbnn_edge.models import describe  # noqa: E402

torch.set_num_threads(1)
RECIPE = imagenet.TwoStep(epochs=3, batch=4, size=32, divide=8, rate=1e-3)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two classes, dark and bright, of odd sizes."""
    random = np.random.default_rng(0)
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    for label, level in (("bright", 200), ("dark", 40)):
        (folder / label).mkdir()
        for index in range(4):
            pixels = random.integers(level - 30, level + 30, (40 + index, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{index}.png")
    return imagenet.Pictures(folder, 32, augmented=True)


def run(folder: Path, step: int, pictures: Any, **options: Any) -> imagenet.ImageNetRun:
    return imagenet.ImageNetRun(RECIPE, step, folder, pictures, 2, CPU, **options)


def test_both_steps_one_after_the_other(pictures: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run step 1 first"):
        run(tmp_path, 2, pictures)
    first = run(tmp_path, 1, pictures)
    assert first.optimizer.param_groups[0]["weight_decay"] == RECIPE.decay
    assert first.train()
    second = run(tmp_path, 2, pictures)
    for name, value in first.network.state_dict().items():
        torch.testing.assert_close(second.network.state_dict()[name], value, rtol=0, atol=0)
    assert second.optimizer.param_groups[0]["weight_decay"] == 0
    assert second.train()
    assert second.done_steps == 3 * 2
    assert len((tmp_path / "step2" / "log.csv").read_text().splitlines()) == 4
    assert 0 <= imagenet.evaluate(second.network, pictures, CPU) <= 1


def test_a_stopped_step_goes_on_as_if_it_had_not_been(pictures: Any, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", 1, pictures)
    whole.train()
    part = run(tmp_path / "part", 1, pictures)
    while not part.train(stop=time.monotonic()):  # a step each time
        part = run(tmp_path / "part", 1, pictures)
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(part.network.state_dict()[name], value, rtol=0, atol=0)


def test_a_teacher_replaces_the_labels(pictures: Any, tmp_path: Path) -> None:
    teacher = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 2))
    job = run(tmp_path, 1, pictures, teacher=teacher)
    assert job.train()
    assert torch.isfinite(job.network.linear.weight).all()


@pytest.mark.parametrize("beta", [1, 2])
def test_the_network_is_the_built_in_one(beta: int) -> None:
    network = ReActNetA(beta)
    description = describe("rep-adambnn-reactnet-a", beta)
    binary, real = description.parameters()
    convolutions = [module for module in network.modules() if isinstance(module, TwoStepConv2d)]
    assert sum(module.weight.numel() for module in convolutions) == binary
    assert len(convolutions) == 31
    moments = sum(b.numel() for name, b in network.named_buffers() if "running" in name)
    assert sum(p.numel() for p in network.parameters()) + moments == binary + real


def test_weights_are_real_first_and_binary_then() -> None:
    layer = TwoStepConv2d(4, 4, 3, 1, 2, step=2)
    torch.nn.init.normal_(layer.weight)
    x = torch.randn(1, 8, 5, 5)
    scale = layer.weight.abs().mean((1, 2, 3))
    integers = layer(x)[:, :2] / scale[:, None, None]
    torch.testing.assert_close(integers, integers.round(), rtol=0, atol=1e-4)
    layer.step = 1
    values = layer(x)[:, :2] / scale[:, None, None]
    assert (values - values.round()).abs().max() > 0.01
    assert layer(x).shape == (1, 8, 5, 5)


def test_crops_are_of_the_picture() -> None:
    pixels = np.full((40, 60, 3), 7, np.uint8)
    pixels[:, :, 1] = 200
    crop = imagenet._random_crop(pixels, 32, torch.Generator().manual_seed(0))
    assert crop.shape == (32, 32, 3)
    assert (crop == [7, 200, 7]).all()


def test_its_export_converts_with_every_binary_layer_exact(tmp_path: Path) -> None:
    import repbnn_edge

    torch.manual_seed(0)
    network = ReActNetA(2, classes=10, divide=4)
    with torch.no_grad():  # moments of noise, and constants that tell channels apart
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
        network.train()
        for _ in range(20):
            network(torch.randn(8, 3, 32, 32))
    repbnn_edge.torch.export(network.eval(), torch.zeros(1, 3, 32, 32), tmp_path / "net.onnx")
    mean, std = (127.5,), (127.5,)
    report = repbnn_edge.convert(tmp_path / "net.onnx", tmp_path / "net.tflite", mean=mean, std=std, samples=2)
    assert report.verification is not None and report.verification.passed
    assert report.binary_convolutions.binary == report.binary_convolutions.found == 31
