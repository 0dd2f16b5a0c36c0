"""What travels inside a file beside the network: preprocessing, class names, and where it came from.

What TFLite has a place for goes there (``TFLITE_METADATA``, and ``labels.txt`` in a ZIP behind the flatbuffer), where
Android's MetadataExtractor, MediaPipe and Netron find it. The rest is one more entry, ``REPBNN``: canonical JSON, which
a delegate can read too. A ZIP behind the flatbuffer is lost by whatever rewrites the flatbuffer: so this comes last.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationError

from repbnn_edge.errors import BadInputError
from repbnn_edge.reports import Report, SourceReport
from repbnn_edge.tflite import schema, standard_metadata
from repbnn_edge.tflite.passes import compact
from repbnn_edge.tflite.schema import Model
from repbnn_edge.tflite.standard_metadata import Image, Standard

ENTRY = "REPBNN"
LABEL_FILE = "labels.txt"
_LABELS_LIMIT = 16 << 20


class Normalization(Report):
    """``(pixel - mean) / std``, pixels 0..255, one number a channel, in double precision."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Provenance(Report):
    """The ``REPBNN`` entry: where a file came from and what was done to it.

    Attributes:
        format: of this entry.
        source: what was converted.
        beta: the repeat factor, None where it is not one number.
        layer_betas: the repeat factor of each layer that has one of its own.
        float_weights: how weights behind the last sign are stored: ``float32``, ``float16`` or ``int8``.
        versions: of the packages that made the file.
        corrections: what was lowered in another form than the source's, in words.
        zero_sign: what the sign of zero is.
        normalization: the preprocessing in double precision; TFLite's own place for it holds float32.
        verification: a summary of the proof, or None.
    """

    # Fields of a later version are kept out of the way, not refused: an older tool still finds what it knows.
    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    source: SourceReport | None = None
    beta: int | None = None
    layer_betas: dict[str, int] = Field(default_factory=dict)
    float_weights: Literal["float32", "float16", "int8"] = "float32"
    versions: dict[str, str] = Field(default_factory=dict)
    corrections: tuple[str, ...] = ()
    zero_sign: Literal["+1"] = "+1"
    normalization: Normalization | None = None
    verification: dict[str, Any] | None = None


@dataclass(frozen=True)
class Metadata:
    """All that a file says about itself.

    Attributes:
        name: of the network.
        description: one sentence.
        mean, std: ``(pixel - mean) / std`` per channel, pixels 0..255 RGB; both None where nobody knows.
        labels: class names in the order of the scores; empty where nobody knows.
        provenance: None in a file that another tool made.
    """

    name: str = ""
    description: str = ""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    labels: tuple[str, ...] = ()
    provenance: Provenance | None = None


def write_metadata(data: bytes, metadata: Metadata) -> bytes:
    """Put ``metadata`` into a file, in place of what it says about itself now; the same arguments give the same bytes.

    Raises:
        BadInputError: mean and std that do not fit the input, or labels that do not fit the output or cannot stand in
            a text file.
    """
    model = schema.load(data).copy()
    image = _image(model, metadata)
    _check_labels(model, metadata.labels)
    _remove(model, standard_metadata.ENTRY)
    _remove(model, ENTRY)
    label_file = LABEL_FILE if metadata.labels else None
    _add(
        model,
        standard_metadata.ENTRY,
        standard_metadata.encode(metadata.name, metadata.description, image, len(model.outputs), label_file),
    )
    if metadata.provenance is not None:
        _add(model, ENTRY, _canonical(_with_normalization(metadata)))
    flatbuffer = schema.pack(compact.run(model))
    return flatbuffer + _zip(metadata.labels, len(flatbuffer)) if metadata.labels else flatbuffer


def read_metadata(data: bytes, model: Model | None = None) -> Metadata:
    """Read what a file says about itself, whoever wrote it.

    Args:
        data: the whole file, with what stands behind the flatbuffer.
        model: the same file, if it is open already.

    Raises:
        BadInputError: an entry is broken.
    """
    entries = (model or schema.load(data)).custom_metadata()
    standard = Standard("", "", None, None, None)
    if standard_metadata.ENTRY in entries:
        standard = standard_metadata.decode(entries[standard_metadata.ENTRY])
    provenance = _parse(entries[ENTRY]) if ENTRY in entries else None
    mean, std = _exact(standard, provenance)
    return Metadata(
        name=standard.name,
        description=standard.description,
        mean=mean,
        std=std,
        labels=_labels(data, standard.label_file) if standard.label_file else (),
        provenance=provenance,
    )


def _image(model: Model, metadata: Metadata) -> Image | None:
    shape = model.tensors[model.inputs[0]].shape if len(model.inputs) == 1 else ()
    if (metadata.mean is None) != (metadata.std is None):
        raise BadInputError("preprocessing", "mean and std come together", "give both or none")
    is_image = len(shape) == 4 and shape[3] in (1, 3)
    if metadata.mean is not None and metadata.std is not None:
        counts = len(metadata.mean), len(metadata.std)
        if not is_image or counts != (shape[3], shape[3]):
            raise BadInputError(
                "preprocessing",
                f"{counts[0]} means and {counts[1]} deviations do not fit the input {list(shape)}",
                "give one number a channel",
            )
        if not all(map(math.isfinite, (*metadata.mean, *metadata.std))) or 0 in metadata.std:
            raise BadInputError("preprocessing", "a mean or deviation is not finite, or a deviation is 0", "correct it")
    return Image(shape[1], shape[2], shape[3], metadata.mean, metadata.std) if is_image else None


def _check_labels(model: Model, labels: tuple[str, ...]) -> None:
    if not labels:
        return
    scores = model.tensors[model.outputs[0]].shape[-1:] if model.outputs else ()
    if scores != (len(labels),):
        raise BadInputError(
            "labels", f"there are {len(labels)} for an output of {scores[0] if scores else 0}", "give one a class"
        )
    for index, label in enumerate(labels):
        # Readers split at line breaks, and Android's drops blank lines: both would shift every later class.
        if not label.strip() or len(label.splitlines()) != 1:
            raise BadInputError("labels", f"label {index} is blank or has a line break", "give one line a class")


def _remove(model: Model, entry: str) -> None:
    model.raw.metadata = [item for item in model.raw.metadata or [] if item.name not in (entry, entry.encode())]


def _add(model: Model, entry: str, data: bytes) -> None:
    classes = schema.generated()
    model.raw.metadata.append(classes.MetadataT(name=entry, buffer=len(model.raw.buffers)))
    model.raw.buffers.append(classes.BufferT(data=np.frombuffer(data, np.uint8)))


def _with_normalization(metadata: Metadata) -> Provenance:
    assert metadata.provenance is not None
    if metadata.mean is None or metadata.std is None:
        return metadata.provenance.model_copy(update={"normalization": None})
    return metadata.provenance.model_copy(update={"normalization": Normalization(mean=metadata.mean, std=metadata.std)})


def _canonical(provenance: Provenance) -> bytes:
    return json.dumps(
        provenance.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _parse(entry: bytes) -> Provenance:
    try:
        return Provenance.model_validate_json(entry)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its JSON"
        raise BadInputError(
            f"the file's {ENTRY} entry", f"{where}: {first['msg']}", "convert the network again"
        ) from error


def _exact(
    standard: Standard, provenance: Provenance | None
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Our double precision, unless another tool has changed TFLite's numbers since."""
    ours = provenance.normalization if provenance else None
    if ours is None or standard.mean is None or standard.std is None:
        return standard.mean, standard.std
    same = all(
        np.array_equal(np.array(exact, np.float32), np.array(rounded, np.float32))
        for exact, rounded in ((ours.mean, standard.mean), (ours.std, standard.std))
    )
    return (ours.mean, ours.std) if same else (standard.mean, standard.std)


def _zip(labels: tuple[str, ...], offset: int) -> bytes:
    """A ZIP that stands ``offset`` bytes into its file: stored, as its readers want it, and without a clock."""
    stream = io.BytesIO()
    stream.seek(offset)
    entry = zipfile.ZipInfo(LABEL_FILE, (1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(entry, "".join(f"{label}\n" for label in labels))
    return stream.getvalue()[offset:]


def _labels(data: bytes, name: str) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(name) as stream:
            text = stream.read(_LABELS_LIMIT + 1)
    # zipfile raises what its parts raise: EOFError, zlib.error, struct.error, NotImplementedError, ...
    except Exception as error:
        raise BadInputError(
            "the file's labels",
            f"its metadata names {name}, which cannot be read ({error or type(error).__name__})",
            "convert the network again; a tool that rewrites the file may have dropped what stood behind it",
        ) from error
    if len(text) > _LABELS_LIMIT:
        raise BadInputError("the file's labels", f"they take more than {_LABELS_LIMIT} bytes", "convert it again")
    return tuple(text.decode("utf-8", "replace").splitlines())
