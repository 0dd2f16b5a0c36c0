"""The pictures that come with the package, and how they become inputs."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from repbnn_edge import samples
from repbnn_edge.datasets import open_dataset
from repbnn_edge.errors import UsageError


def test_every_ten_pictures_show_each_class_once() -> None:
    names = [path.stem.split("-")[1] for path in sorted(samples.FOLDER.glob("*.jpg"))]
    assert len(names) == 50
    assert all(len(set(names[start : start + 10])) == 10 for start in range(0, 50, 10))


def test_they_are_the_test_set_s_own_bytes() -> None:
    file = Path(__file__).parents[2] / "shared" / "data" / "cifar10" / "test.npz"
    if not file.is_file():
        pytest.skip("CIFAR-10 is not here")
    with np.load(file) as known:
        data, starts = known["jpeg"], known["offsets"]
    bytes_of = {data[a:b].tobytes() for a, b in itertools.pairwise(starts)}
    assert all(path.read_bytes() in bytes_of for path in samples.FOLDER.glob("*.jpg"))


def test_pixels_become_inputs_by_mean_and_std() -> None:
    ours = samples.load((32, 32, 3), 2, SimpleNamespace(mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 8.0)))
    picture = open_dataset(samples.FOLDER).picture(0).astype(np.float32)
    assert np.array_equal(ours[0], (picture - [10, 20, 30]) / [2, 4, 8])
    assert ours.dtype == np.float32


def test_without_a_word_pixels_become_minus_one_to_one() -> None:
    inputs = samples.load((32, 32, 3), 50)
    assert inputs.shape == (50, 32, 32, 3)
    assert inputs.min() >= -1 and inputs.max() <= 1 and inputs.std() > 0.3


@pytest.mark.parametrize("shape", [(224, 224, 3), (28, 20, 1), (16, 16, 4)])
def test_any_size_and_number_of_channels(shape: tuple[int, int, int]) -> None:
    inputs = samples.load(shape, 3)
    assert inputs.shape == (3, *shape)
    assert len(np.unique(inputs)) > 100


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match="50 come with the package"):
        samples.load((32, 32, 3), 51)


def test_a_folder_of_the_user(tmp_path: Path) -> None:
    for path in sorted(samples.FOLDER.glob("0-*.jpg"))[:3]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert np.array_equal(samples.load((32, 32, 3), 16, data=tmp_path), samples.load((32, 32, 3), 3))
