"""The recipes: a killed run goes on as if it had not been, and what they train is what the importer converts."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="PyTorch is an extra: pip install repbnn-edge[training]")

from repbnn_training import data, engine  # noqa: E402
from repbnn_training.networks import ReCUConv2d, ReCUResNet20, SignActivation  # noqa: E402
from repbnn_training.recipes import RECIPES  # noqa: E402

torch.set_num_threads(1)
TINY = replace(RECIPES["smoke"], epochs=2, batch=8, widths=(4, 8, 8), warmup=0.5)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Any:
    random = np.random.default_rng(0)
    parts = []
    for _ in range(32):
        buffer = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(buffer, "JPEG")
        parts.append(buffer.getvalue())
    path = tmp_path_factory.mktemp("data") / "train.npz"
    jpeg = np.frombuffer(b"".join(parts), np.uint8)
    np.savez(path, jpeg=jpeg, offsets=np.cumsum([0, *map(len, parts)]), labels=random.integers(0, 10, 32))
    return data.load(path, torch.device("cpu"))


def run(folder: Path, images: Any) -> Any:
    return engine.Run(TINY, 3, folder, images, images)


def test_a_killed_run_goes_on_as_if_it_had_not_been(images: Any, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", images)
    engine.train([whole])
    first = run(tmp_path / "killed", images)
    for _ in range(3):  # into the middle of the first epoch
        first.advance()
    first.save()
    del first
    second = run(tmp_path / "killed", images)
    assert second.step == 3
    engine.train([second])
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(second.network.state_dict()[name], value, rtol=0, atol=0)


def test_the_log_has_a_line_an_epoch(images: Any, tmp_path: Path) -> None:
    engine.train([run(tmp_path, images)])
    with (tmp_path / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert rows[-1]["test_top1"] != "nan"


def test_a_folder_of_another_recipe_is_refused(images: Any, tmp_path: Path) -> None:
    run(tmp_path, images).save()
    with pytest.raises(ValueError, match="another recipe or seed"):
        engine.Run(TINY, 4, tmp_path, images, images)


def test_several_runs_share_a_process(images: Any, tmp_path: Path) -> None:
    runs = [run(tmp_path / name, images) for name in ("a", "b")]
    engine.train(runs)
    assert all(job.done for job in runs)
    for name, value in runs[0].network.state_dict().items():
        torch.testing.assert_close(runs[1].network.state_dict()[name], value, rtol=0, atol=0)


def test_augmentation_moves_and_mirrors_but_invents_nothing(images: Any) -> None:
    pixels = torch.arange(32 * 32, dtype=torch.int32).reshape(1, 1, 32, 32).expand(40, 3, 32, 32) + 1
    moved = data.augment(pixels, torch.Generator().manual_seed(0))
    assert moved.shape == pixels.shape
    mirrored = 0
    for picture in moved:
        inner = picture[0, 4:28, 4:28]
        steps = inner[:, 1:] - inner[:, :-1]
        assert steps.abs().eq(1).all()
        mirrored += int(steps[0, 0] < 0)
        assert (inner[1:] - inner[:-1]).eq(32).all()
    assert 5 < mirrored < 35


def test_rep_keeps_binary_weights_and_repeats_in_blocks() -> None:
    counts = [
        sum(m.weight.numel() for m in ReCUResNet20(beta).modules() if isinstance(m, ReCUConv2d)) for beta in (1, 2)
    ]
    assert counts[0] == counts[1]
    layer = ReCUConv2d(4, 8, 1, 2, normalise=False).eval()
    output = layer(torch.randn(1, 8, 6, 6))
    assert output.shape == (1, 16, 6, 6)
    for copy in range(1, 4):
        torch.testing.assert_close(output[:, 4 * copy : 4 * copy + 4], output[:, :4], rtol=0, atol=0)


def test_the_sign_of_zero_is_that_of_binary_hardware() -> None:
    assert SignActivation.apply(torch.tensor([-1.0, -0.0, 0.0, 2.0])).tolist() == [-1, 1, 1, 1]


def test_tau_grows_from_low_to_high() -> None:
    network = ReCUResNet20(1, (4, 8, 8))
    values = []
    for progress in (0.0, 0.5, 1.0):
        network.set_tau(progress)
        values.append(float(network.blocks[0].conv1.tau))
    assert values[0] == pytest.approx(0.85)
    assert values[2] == pytest.approx(0.99)
    assert values[0] < values[1] < 0.92
