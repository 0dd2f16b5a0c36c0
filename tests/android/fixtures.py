"""Files that the Java tests read: ``python -m tests.android.fixtures FOLDER MODEL``, in the project's environment."""

from __future__ import annotations

import io
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from repbnn_edge.datasets import to_input
from repbnn_edge.inspection import inspect_file
from repbnn_edge.runtime.sessions import open_session
from repbnn_edge.samples import FOLDER
from repbnn_edge.tflite.metadata import read_metadata

# Shrunk, enlarged, stretched, untouched, a sliver: (width, height) of the picture and of the input.
SCALINGS = (((640, 427), (224, 224)), ((333, 500), (32, 32)), ((20, 17), (32, 32)), ((1000, 40), (48, 96)))
SCALINGS += (((32, 32), (32, 32)), ((1, 3), (8, 8)))


def main(folder: Path, model: Path) -> None:
    """Write them all."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(model, folder / "model.tflite")
    data = model.read_bytes()
    (folder / "model.json").write_text(json.dumps(_facts(model)))
    (folder / "deflated.tflite").write_bytes(_with_deflated_labels(data))
    _scalings(folder / "scaling")
    (folder / "top1.json").write_text(json.dumps(_top1(data, folder / "pictures")))


def _facts(model: Path) -> dict[str, object]:
    report = inspect_file(model)
    metadata = read_metadata(model.read_bytes())
    return {
        "name": metadata.name,
        "labels": metadata.labels,
        "mean": metadata.mean,
        "std": metadata.std,
        "binary_macs": report.macs.binary,
        "float_macs": report.macs.float,
        "operators": len(report.operators),
        "binary_convolutions": report.binary_convolutions,
    }


def _with_deflated_labels(data: bytes) -> bytes:
    """The same file as another tool could have written it: its ZIP deflated, with a comment."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        labels = archive.read("labels.txt")
        start = min(info.header_offset for info in archive.infolist())
    stream = io.BytesIO(data[:start])
    stream.seek(start)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", labels)
        archive.comment = b"packed again"
    return stream.getvalue()


def _scalings(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(5)
    for (columns, rows), (width, height) in SCALINGS:
        picture = random.integers(0, 256, (rows, columns, 3), np.uint8)
        stem = f"{columns}x{rows}-to-{width}x{height}"
        Image.fromarray(picture).save(folder / f"{stem}.png")
        seen = to_input(picture, height, width, None, None)
        (folder / f"{stem}.bin").write_bytes(seen.astype(np.uint8).tobytes())


def _top1(data: bytes, folder: Path) -> dict[str, int]:
    """What Python's runtime with the delegate sees in each sample picture, whose pixels are stored without loss.

    Two decoders need not agree on a JPEG's last bits.
    """
    folder.mkdir(exist_ok=True)
    metadata = read_metadata(data)
    session = open_session("litert", data, num_threads=1, delegate="auto", delegate_options={})
    seen = {}
    for path in sorted(FOLDER.glob("*.jpg")):
        decoded = Image.open(path).convert("RGB")
        decoded.save(folder / f"{path.stem}.png")
        picture = np.asarray(decoded)
        session.set_input(to_input(picture, 32, 32, metadata.mean, metadata.std)[None])
        session.invoke()
        seen[f"{path.stem}.png"] = int(session.output().reshape(-1).argmax())
    return seen


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
