"""Whether the bytes of a TFLite file can be followed at all: every offset, vector and string inside the file.

FlatBuffers for Python has no verifier, and its object API copies what a hostile file makes it copy: a thousand
tensors may all point to one string of ten megabytes. So, before the object API sees a file, this module walks
every table that the schema reaches and bounds the sum of what it visits: a file that a packer wrote has each byte
once, so twice the file's size is generous.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

Slots = Mapping[int, str]
"""Slot -> what it holds, for the slots of one table that hold offsets; see ``TFLITE``."""

_MAX_TABLES = 200_000
_SLACK = 1 << 20

# table -> slot -> what the slot holds, for every slot that is an offset; all others are scalars inside the table.
#   "string", "vector N" (elements of N bytes), "table T", "tables T", "union U" (its type stands in the slot before)
TFLITE: dict[str, dict[int, str]] = {
    "Model": {
        1: "tables OperatorCode",
        2: "tables SubGraph",
        3: "string",
        4: "tables Buffer",
        5: "vector 4",
        6: "tables Metadata",
        7: "tables SignatureDef",
        8: "tables ExternalBufferGroup",
        9: "tables ExternalBuffer",
    },
    "OperatorCode": {1: "string"},
    "SubGraph": {0: "tables Tensor", 1: "vector 4", 2: "vector 4", 3: "tables Operator", 4: "string"},
    "Tensor": {
        0: "vector 4",
        3: "string",
        4: "table QuantizationParameters",
        6: "table SparsityParameters",
        7: "vector 4",
        9: "tables VariantSubType",
    },
    "QuantizationParameters": {
        0: "vector 4",
        1: "vector 4",
        2: "vector 4",
        3: "vector 8",
        5: "union QuantizationDetails",
    },
    "CustomQuantization": {0: "vector 1"},
    "SparsityParameters": {0: "vector 4", 1: "vector 4", 2: "tables DimensionMetadata"},
    "DimensionMetadata": {3: "union SparseIndexVector", 5: "union SparseIndexVector"},
    "Int32Vector": {0: "vector 4"},
    "Uint16Vector": {0: "vector 2"},
    "Uint8Vector": {0: "vector 1"},
    "VariantSubType": {0: "vector 4"},
    "Operator": {
        1: "vector 4",
        2: "vector 4",
        4: "union BuiltinOptions",
        5: "vector 1",
        7: "vector 1",
        8: "vector 4",
        12: "union BuiltinOptions2",
    },
    "Buffer": {0: "vector 1"},
    "Metadata": {0: "string"},
    "SignatureDef": {0: "tables TensorMap", 1: "tables TensorMap", 2: "string"},
    "TensorMap": {0: "string"},
    "ExternalBufferGroup": {0: "string"},
    "ExternalBuffer": {4: "string"},
    # Options of operators; those that are not here have scalars only.
    "ConcatEmbeddingsOptions": {1: "vector 4", 2: "vector 4"},
    "ReshapeOptions": {0: "vector 4"},
    "SqueezeOptions": {0: "vector 4"},
    "BucketizeOptions": {0: "vector 4"},
    "VarHandleOptions": {0: "string", 1: "string"},
    "StableHLOCompositeOptions": {0: "string", 2: "vector 1"},
    "StablehloBroadcastInDimOptions": {0: "vector 8"},
    "StablehloCaseOptions": {0: "vector 4"},
    "StablehloConvolutionOptions": {
        **dict.fromkeys((0, 1, 2, 3, 7, 10, 13), "vector 8"),
        4: "vector 1",
        16: "vector 4",
    },
    "StablehloCustomCallOptions": {0: "string", 2: "string", 4: "vector 4", 5: "vector 1"},
    "StablehloDotGeneralOptions": {**dict.fromkeys(range(4), "vector 8"), 4: "vector 4"},
    "StablehloDynamicSliceOptions": {0: "vector 8"},
    "StablehloGatherOptions": dict.fromkeys((0, 1, 2, 4), "vector 8"),
    "StablehloPadOptions": dict.fromkeys(range(3), "vector 8"),
    "StablehloReduceOptions": {0: "vector 8"},
    "StablehloReduceWindowOptions": dict.fromkeys(range(5), "vector 8"),
    "StablehloScatterOptions": dict.fromkeys((1, 2, 3), "vector 8"),
    "StablehloSliceOptions": dict.fromkeys(range(3), "vector 8"),
    "StablehloTransposeOptions": {0: "vector 8"},
}


class BrokenError(ValueError):
    """The bytes contradict themselves; the message is a clause that names where."""


class NewerSchemaError(ValueError):
    """A union holds a kind that the schema in use does not know, so that rewriting the file would lose it."""


def check(data: bytes, root: str, tables: Mapping[str, Slots], unions: Mapping[str, Mapping[int, str]]) -> None:
    """Walk the flatbuffer ``data``.

    Args:
        data: the file.
        root: the name of its root table.
        tables: the slots of each table that hold offsets; slots that are left out are not followed.
        unions: for each union of the schema, the name of the table behind each type number.

    Raises:
        BrokenError: an offset, vector, string or table that leaves the file, or more of them than a file of this
            size can hold.
        NewerSchemaError: a type number that ``unions`` lacks.
    """
    walk = _Walk(data, tables, unions)
    try:
        walk.table(walk.follow(0, root), root)
    except struct.error as error:
        raise BrokenError("it ends in the middle of a table") from error


class _Walk:
    """One walk over one file, with what it may still visit."""

    def __init__(self, data: bytes, tables: Mapping[str, Slots], unions: Mapping[str, Mapping[int, str]]) -> None:
        self._data = data
        self._tables = tables
        self._unions = unions
        self._bytes_left = 2 * len(data) + _SLACK
        self._tables_left = _MAX_TABLES

    def table(self, position: int, kind: str) -> None:
        slots, size = self._vtable(position, kind)
        self._spend(size, kind)
        self._tables_left -= 1
        if self._tables_left < 0:
            raise BrokenError(f"it has more than {_MAX_TABLES} tables")
        for slot, what in self._tables.get(kind, {}).items():
            if slot < len(slots) and slots[slot]:
                self._field(position, slots, slot, what, kind)

    def follow(self, position: int, kind: str) -> int:
        """The place that the offset at ``position`` points to."""
        target = position + _unsigned(self._data, position)
        if target == position or target + 4 > len(self._data):
            raise BrokenError(f"an offset in {kind} leaves the file")
        return target

    def _vtable(self, position: int, kind: str) -> tuple[tuple[int, ...], int]:
        (back,) = struct.unpack_from("<i", self._data, position)
        vtable = position - back
        if not 0 <= vtable <= len(self._data) - 4:
            raise BrokenError(f"the table of a {kind} lies outside the file")
        length, size = struct.unpack_from("<HH", self._data, vtable)
        if length < 4 or length % 2 or vtable + length > len(self._data):
            raise BrokenError(f"the table of a {kind} has an impossible length")
        if size < 4 or position + size > len(self._data):
            raise BrokenError(f"a {kind} leaves the file")
        slots = struct.unpack_from(f"<{length // 2 - 2}H", self._data, vtable + 4)
        if any(offset and not 4 <= offset < size for offset in slots):
            raise BrokenError(f"a field of a {kind} lies outside it")
        return slots, size

    def _field(self, table: int, slots: tuple[int, ...], slot: int, what: str, kind: str) -> None:
        shape, _, detail = what.partition(" ")
        if shape == "union":
            chosen = self._data[table + slots[slot - 1]] if slots[slot - 1] else 0
            self._union(self.follow(table + slots[slot], kind), detail, chosen)
            return
        target = self.follow(table + slots[slot], kind)
        if shape == "table":
            self.table(target, detail)
        elif shape == "tables":
            for index in range(self._vector(target, 4, kind)):
                self.table(self.follow(target + 4 + 4 * index, kind), detail)
        else:
            self._vector(target, 1 if shape == "string" else int(detail), kind)

    def _union(self, position: int, union: str, chosen: int) -> None:
        if chosen == 0:  # NONE with a value: no reader looks at it
            return
        name = self._unions[union].get(chosen)
        if name is None:
            raise NewerSchemaError(f"{union} {chosen}")
        self.table(position, name)

    def _vector(self, position: int, element: int, kind: str) -> int:
        count = _unsigned(self._data, position)
        if position + 4 + count * element > len(self._data):
            raise BrokenError(f"a list in {kind} is longer than the file")
        self._spend(count * element, kind)
        return count

    def _spend(self, size: int, kind: str) -> None:
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise BrokenError(f"its tables share more than they hold (met in {kind})")


def _unsigned(data: bytes, position: int) -> int:
    value: int = struct.unpack_from("<I", data, position)[0]
    return value
