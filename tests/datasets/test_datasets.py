"""Data sets from outside: every form opens, everything broken is one sentence."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from repbnn_edge.datasets import open_dataset, to_input
from repbnn_edge.errors import BadInputError

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.integers(0, 256, (6, 8, 8, 3), np.uint8)


def encoded(picture: Any, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, form)
    return buffer.getvalue()


def refusal(path: Path, read: bool = False) -> str:
    with pytest.raises(BadInputError) as caught:
        data = open_dataset(path)
        if read:
            for index in range(len(data)):
                data.picture(index)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, picture in enumerate(PICTURES):
        target = tmp_path / ("cat" if index < 3 else "dog")
        target.mkdir(exist_ok=True)
        (target / f"{index}.png").write_bytes(encoded(picture))
    return tmp_path


def test_a_folder_of_classes(folder: Path) -> None:
    data = open_dataset(folder)
    assert data.names == ("cat", "dog")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(data.picture(4), PICTURES[4])


def test_pictures_alone_have_no_labels(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(PICTURES[0]))
    assert open_dataset(tmp_path).labels is None


def test_pictures_as_an_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", images=PICTURES, labels=np.arange(6), label_names=np.array(list("abcdef")))
    data = open_dataset(tmp_path / "data.npz")
    assert data.names == tuple("abcdef")
    np.testing.assert_array_equal(data.picture(2), PICTURES[2])


def test_pictures_as_jpeg_bytes(tmp_path: Path) -> None:
    parts = [encoded(picture, "JPEG") for picture in PICTURES]
    offsets = np.cumsum([0, *map(len, parts)])
    np.savez(tmp_path / "d.npz", jpeg=np.frombuffer(b"".join(parts), np.uint8), offsets=offsets, labels=np.arange(6))
    data = open_dataset(tmp_path / "d.npz")
    assert len(data) == 6
    assert data.picture(5).shape == (8, 8, 3)
    broken = offsets.copy()
    broken[3] = broken[2]
    np.savez(tmp_path / "d.npz", jpeg=np.frombuffer(b"".join(parts), np.uint8), offsets=broken, labels=np.arange(6))
    assert "offsets" in refusal(tmp_path / "d.npz")


@pytest.mark.parametrize("header", [1, 2])
def test_cifar_binary_files(tmp_path: Path, header: int) -> None:
    pictures = RANDOM.integers(0, 256, (4, 32, 32, 3), np.uint8)
    rows = [bytes([9] * (header - 1) + [label]) + pictures[label].transpose(2, 0, 1).tobytes() for label in range(4)]
    (tmp_path / "test_batch.bin").write_bytes(b"".join(rows))
    data = open_dataset(tmp_path)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(data.picture(3), pictures[3])
    assert data.names == ()
    (tmp_path / ("batches.meta.txt", "fine_label_names.txt")[header - 1]).write_text("a\nb\nc d\nd\n\n")
    assert open_dataset(tmp_path).names == ("a", "b", "c d", "d")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": PICTURES.astype(np.float32), "labels": np.arange(6)}, "uint8"),
        ({"images": PICTURES, "labels": np.arange(5)}, "5 labels"),
        ({"images": PICTURES, "labels": np.arange(6) / 2}, "whole numbers"),
        ({"pixels": PICTURES}, "no array"),
        ({"images": np.array([{"a": 1}], dtype=object)}, "execute code"),
    ],
)
def test_arrays_that_are_no_pictures(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    assert words in refusal(tmp_path / "bad.npz")


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 8, 8, 3)})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header.getvalue() + b"\0" * 1_000_000)
    assert "fewer bytes" in refusal(tmp_path / "bomb.npz")


def test_damaged_archives_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, images=PICTURES, labels=np.arange(6))
    data = path.read_bytes()
    for _ in range(60):
        damaged = bytearray(data[: RANDOM.integers(1, len(data))] if RANDOM.random() < 0.3 else data)
        damaged[RANDOM.integers(0, len(damaged))] ^= int(RANDOM.integers(1, 256))
        path.write_bytes(damaged)
        try:
            open_dataset(path)
        except BadInputError as error:
            assert "\n" not in str(error)


def test_a_truncated_picture_is_named(folder: Path) -> None:
    target = folder / "dog" / "4.png"
    target.write_bytes(target.read_bytes()[:60])
    assert "4.png" in refusal(folder, read=True)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    assert "no picture" in refusal(tmp_path)


def test_links_in_circles_are_one_sentence(folder: Path) -> None:
    (folder / "cat" / "loop.png").symlink_to("loop.png")
    refusal(folder)


def test_a_file_of_no_known_form(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2")
    assert "no data set" in refusal(tmp_path / "data.csv")


def test_a_picture_of_the_right_size_is_only_normalised() -> None:
    mean, std = (1.0, 2.0, 3.0), (2.0, 4.0, 8.0)
    expected = (PICTURES[0].astype(np.float32) - np.float32(mean)) / np.float32(std)
    np.testing.assert_array_equal(to_input(PICTURES[0], 8, 8, mean, std), expected)


@pytest.mark.parametrize("shape", [(300, 400), (400, 300), (100, 130), (224, 500)])
def test_any_other_is_cropped_from_its_centre(shape: tuple[int, int]) -> None:
    columns = np.arange(shape[1])[None, :, None] / shape[1] * 255
    picture = np.broadcast_to(columns, (*shape, 3)).astype(np.uint8)
    result = to_input(picture, 224, 224, None, None)
    assert result.shape == (224, 224, 3)
    np.testing.assert_allclose(result.mean(), 127, atol=1.5)
    np.testing.assert_allclose(result[:, 0].mean() + result[:, -1].mean(), 254, atol=4)
