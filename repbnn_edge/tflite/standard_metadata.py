"""TFLite's own metadata (the ``TFLITE_METADATA`` buffer, identifier M001): the little of it that a classifier needs.

Written and read by hand: the libraries that bring the generated classes weigh tens of megabytes. Slot numbers are
those of metadata_schema.fbs; a union takes two slots, its type and its value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import flatbuffers
from flatbuffers import number_types
from flatbuffers.table import Table

from repbnn_edge.errors import BadInputError
from repbnn_edge.tflite import structure

ENTRY = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_RGB, _GRAYSCALE = 1, 2
_IMAGE_PROPERTIES = 2
_NORMALIZATION = 1
_AXIS_LABELS = 2
_MINIMUM_PARSER = "1.0.0"  # everything below stands in the schema since its first version

_TABLES: dict[str, structure.Slots] = {
    "ModelMetadata": {0: "string", 1: "string", 3: "tables SubGraphMetadata"},
    "SubGraphMetadata": {2: "tables TensorMetadata", 3: "tables TensorMetadata"},
    "TensorMetadata": {4: "tables ProcessUnit", 6: "tables AssociatedFile"},
    "ProcessUnit": {1: "union ProcessUnitOptions"},
    "NormalizationOptions": {0: "vector 4", 1: "vector 4"},
    "AssociatedFile": {0: "string"},
}
_UNIONS = {"ProcessUnitOptions": {_NORMALIZATION: "NormalizationOptions", **dict.fromkeys(range(2, 256), "Other")}}


@dataclass(frozen=True)
class Image:
    """The image that a network wants.

    Attributes:
        height, width, channels: of the input tensor.
        mean, std: ``(pixel - mean) / std``, pixels 0..255, RGB or grey; one number a channel, or None where nobody
            knows.
    """

    height: int
    width: int
    channels: int
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None


@dataclass(frozen=True)
class Standard:
    """What TFLite's metadata says; numbers have float32's precision."""

    name: str
    description: str
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    label_file: str | None


def encode(name: str, description: str, image: Image | None, outputs: int, label_file: str | None) -> bytes:
    """Write the metadata of a network with one input.

    Args:
        name: of the network.
        description: one sentence about it.
        image: what the input wants; None where it is no image.
        outputs: the number of output tensors; ``label_file`` belongs to the first.
        label_file: the name, in the ZIP behind the flatbuffer, of a text file with one class a line.
    """
    writer = _Writer()
    scores = [writer.output(index, label_file if index == 0 else None) for index in range(outputs)]
    graph = writer.table(4, {2: writer.tables([writer.image(image)]), 3: writer.tables(scores)})
    model = {0: writer.text(name), 1: writer.text(description), 3: writer.tables([graph])}
    return writer.finish(writer.table(8, {**model, 7: writer.text(_MINIMUM_PARSER)}))


def decode(data: bytes) -> Standard:
    """Read what any tool wrote.

    Raises:
        BadInputError: the bytes are no such metadata.
    """
    if data[4:8] != _IDENTIFIER:
        raise _broken("it has no M001 mark")
    try:
        structure.check(data, "ModelMetadata", _TABLES, _UNIONS)
        return _decode(Table(data, struct.unpack_from("<I", data)[0]))
    except (structure.BrokenError, structure.NewerSchemaError, struct.error, ValueError, TypeError) as error:
        raise _broken(str(error)) from error


def _decode(model: Table) -> Standard:
    mean = std = label_file = None
    for graph in list(_tables(model, 3))[:1]:
        for tensor in list(_tables(graph, 2))[:1]:
            mean, std = _normalization(tensor)
        for tensor in list(_tables(graph, 3))[:1]:
            label_file = _label_file(tensor)
    return Standard(_string(model, 0) or "", _string(model, 1) or "", mean, std, label_file)


def _normalization(tensor: Table) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    for unit in _tables(tensor, 4):
        if _byte(unit, 0) == _NORMALIZATION and unit.Offset(_slot(1)):
            options = _follow(unit, unit.Pos + unit.Offset(_slot(1)))
            return _floats(options, 0), _floats(options, 1)
    return None, None


def _label_file(tensor: Table) -> str | None:
    for file in _tables(tensor, 6):
        if _byte(file, 2) == _AXIS_LABELS:
            return _string(file, 0)
    return None


class _Writer:
    """FlatBuffers' builder in our words: a table is a count of slots and what stands in some of them."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1024)

    def image(self, image: Image | None) -> int:
        if image is None:
            return self.table(7, {0: self.text("input")})
        content, slots = {}, {0: self.text("image"), 1: self.text("The picture to classify.")}
        if image.mean is not None and image.std is not None:
            options = self.table(2, {0: self.floats(image.mean), 1: self.floats(image.std)})
            slots[4] = self.tables([self.table(2, {1: options}, {0: _NORMALIZATION})])
            slots[5] = self._stats(image.mean, image.std)
            content = {0: {1: _GRAYSCALE, 3: _RGB}.get(image.channels, 0)}
        size = self.table(2, {}, {}, {0: image.width, 1: image.height})
        properties = self.table(2, {1: size}, content)
        slots[3] = self.table(3, {1: properties}, {0: _IMAGE_PROPERTIES})
        return self.table(7, slots)

    def _stats(self, mean: Sequence[float], std: Sequence[float]) -> int:
        """The range that a pixel of 0..255 has behind the normalisation."""
        ends = [sorted(((0 - m) / s, (255 - m) / s)) for m, s in zip(mean, std, strict=True)]
        return self.table(2, {0: self.floats([high for _, high in ends]), 1: self.floats([low for low, _ in ends])})

    def output(self, index: int, label_file: str | None) -> int:
        slots = {0: self.text("scores" if index == 0 else f"output {index}")}
        if label_file:
            file = {0: self.text(label_file), 1: self.text("The names of the classes, one a line.")}
            slots[6] = self.tables([self.table(5, file, {2: _AXIS_LABELS})])
        return self.table(7, slots)

    def text(self, value: str) -> int:
        return int(self._builder.CreateString(value))

    def floats(self, values: Sequence[float]) -> int:
        self._builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._builder.PrependFloat32(value)
        return int(self._builder.EndVector())

    def tables(self, offsets: Sequence[int]) -> int:
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def table(
        self,
        slots: int,
        offsets: dict[int, int],
        bytes_: dict[int, int] | None = None,
        uints: dict[int, int] | None = None,
    ) -> int:
        self._builder.StartObject(slots)
        for slot, value in offsets.items():
            self._builder.PrependUOffsetTRelativeSlot(slot, value, 0)
        for slot, value in (uints or {}).items():
            self._builder.PrependUint32Slot(slot, value, 0)
        for slot, value in (bytes_ or {}).items():
            self._builder.PrependUint8Slot(slot, value, 0)
        return int(self._builder.EndObject())

    def finish(self, root: int) -> bytes:
        self._builder.Finish(root, _IDENTIFIER)
        return bytes(self._builder.Output())


def _slot(slot: int) -> int:
    return 4 + 2 * slot


def _follow(table: Table, position: int) -> Table:
    return Table(table.Bytes, table.Indirect(position))


def _tables(table: Table, slot: int) -> Iterator[Table]:
    offset = table.Offset(_slot(slot))
    if offset:
        start = table.Vector(offset)
        for index in range(table.VectorLen(offset)):
            yield _follow(table, start + 4 * index)


def _string(table: Table, slot: int) -> str | None:
    offset = table.Offset(_slot(slot))
    return table.String(offset + table.Pos).decode("utf-8", "replace") if offset else None


def _floats(table: Table, slot: int) -> tuple[float, ...] | None:
    offset = table.Offset(_slot(slot))
    if not offset:
        return None
    return tuple(float(value) for value in table.GetVectorAsNumpy(number_types.Float32Flags, offset))


def _byte(table: Table, slot: int) -> int:
    offset = table.Offset(_slot(slot))
    return int(table.Get(number_types.Uint8Flags, offset + table.Pos)) if offset else 0


def _broken(why: str) -> BadInputError:
    return BadInputError("the file's TFLite metadata", why, "convert the network again")
