"""Bad data on the command line: one line, exit 3, nothing else."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repbnn_edge.cli import main

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


def _jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def _wrong_size(folder: Path) -> Path:
    (folder / "test_batch.bin").write_bytes(b"\3" * 3072)  # a picture without its label
    return folder


def _wrong_shape(folder: Path) -> Path:
    np.savez(folder / "d.npz", images=PIXELS[..., 0], labels=np.arange(3))
    return folder / "d.npz"


def _truncated_jpeg(folder: Path) -> Path:
    (folder / "cat").mkdir()
    (folder / "cat" / "a.jpg").write_bytes(_jpeg(PIXELS[0])[:200])
    return folder


def _truncated_jpeg_in_npz(folder: Path) -> Path:
    parts = [_jpeg(pixels) for pixels in PIXELS]
    parts[1] = parts[1][:150]
    offsets = np.cumsum([0, *map(len, parts)])
    np.savez(folder / "d.npz", jpeg=np.frombuffer(b"".join(parts), np.uint8), offsets=offsets, labels=np.arange(3))
    return folder / "d.npz"


def _label_out_of_range(folder: Path) -> Path:
    np.savez(folder / "d.npz", images=PIXELS, labels=np.array([0, 1, 10]))
    return folder / "d.npz"


def _negative_label(folder: Path) -> Path:
    np.savez(folder / "d.npz", images=PIXELS, labels=np.array([0, -1, 2]))
    return folder / "d.npz"


def _no_picture(folder: Path) -> Path:
    (folder / "cat").mkdir()
    return folder


def _zip_bomb(folder: Path) -> Path:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 32, 32, 3)}
    )
    with zipfile.ZipFile(folder / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header.getvalue() + b"\0" * 4_000_000)
    return folder / "d.npz"


def _zip_bomb_with_an_honest_header(folder: Path) -> Path:
    shape = ((1 << 30) // 3072, 32, 32, 3)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with (
        zipfile.ZipFile(folder / "d.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("images.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(header.getvalue())
        for _ in range(65):
            stream.write(bytes(1 << 24))
    return folder / "d.npz"


def _offsets_of_words(folder: Path) -> Path:
    np.savez(folder / "d.npz", jpeg=np.zeros(4, np.uint8), offsets=np.array(["a", "b"]), labels=np.arange(1))
    return folder / "d.npz"


def _label_without_a_name(folder: Path) -> Path:
    np.savez(folder / "d.npz", images=PIXELS, labels=np.array([0, 2, 1]), label_names=np.array(["cat", "dog"]))
    return folder / "d.npz"


def _negative_label_with_names(folder: Path) -> Path:
    np.savez(folder / "d.npz", images=PIXELS, labels=np.array([0, -1, 1]), label_names=np.array(["cat", "dog"]))
    return folder / "d.npz"


def _pipe_in_a_folder(folder: Path) -> Path:
    (folder / "cat").mkdir()
    os.mkfifo(folder / "cat" / "a.jpg")
    return folder


def _picture_bomb(folder: Path) -> Path:
    (folder / "cat").mkdir()
    Image.new("1", (30_000, 30_000)).save(folder / "cat" / "a.png")
    return folder


def _link_in_a_circle(folder: Path) -> Path:
    (folder / "cat").mkdir()
    (folder / "cat" / "a.jpg").symlink_to("a.jpg")
    return folder


def _folders_in_a_circle(folder: Path) -> Path:
    (folder / "cat").symlink_to(folder, target_is_directory=True)
    return folder


FAULTS = [
    (_wrong_size, "no whole number"),
    (_wrong_shape, "images"),
    (_truncated_jpeg, "a.jpg"),
    (_truncated_jpeg_in_npz, "d.npz"),
    (_label_out_of_range, "a label is 10"),
    (_negative_label, "a label is -1"),
    (_no_picture, "no picture"),
    (_zip_bomb, "fewer bytes"),
    (_zip_bomb_with_an_honest_header, "as a zip bomb does"),
    (_offsets_of_words, "offsets is <U1"),
    (_label_without_a_name, "a label is 2, and it has names for 2"),
    (_negative_label_with_names, "a label is -1, and it has names for 2"),
    (_pipe_in_a_folder, "no regular file"),
    (_picture_bomb, "a.png"),
    (_link_in_a_circle, "a.jpg"),
    (_folders_in_a_circle, "no picture"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=[fault.__name__[1:] for fault, _ in FAULTS])
def test_bad_data_is_one_line(
    fault: Callable[[Path], Path], words: str, resnet20: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["eval", str(resnet20), "--data", str(fault(tmp_path)), "--num-threads", "1"]) == 3
    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert not captured.out
