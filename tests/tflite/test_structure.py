"""The walk over a file: it knows the whole schema, and a hostile file costs it no more than an honest one."""

from __future__ import annotations

import inspect
import re
import struct
from typing import Any

import flatbuffers
import pytest

from repbnn_edge.errors import BadInputError
from repbnn_edge.tflite import schema, structure

_READER = re.compile(r"^class (\w+)\(object\):\n    __slots__ = \['_tab'\]\n(.*?)(?=^class |\Z)", re.S | re.M)
_FIELD = re.compile(
    r"    def (\w+)\(self(, j)?\):\n        o = .*?Offset\((\d+)\)\)\n(.*?)(?=\n    #|\n    def|\ndef|\Z)", re.S
)
_BYTES = {"Int8": 1, "Uint8": 1, "Bool": 1, "Uint16": 2, "Int32": 4, "Uint32": 4, "Float32": 4, "Int64": 8}


def _described(body: str) -> dict[int, str]:
    """The offset fields of one generated reader class, in the words of structure.py."""
    fields = {}
    for name, is_list, offset, code in _FIELD.findall(body):
        if name.endswith(("AsNumpy", "Length", "IsNone")):
            continue
        slot = (int(offset) - 4) // 2
        if "import Table" in code:
            fields[slot] = "union"
        elif "_tab.String" in code:
            fields[slot] = "string"
        elif inner := re.search(r"obj = (\w+)\(\)", code):
            fields[slot] = f"{'tables' if is_list else 'table'} {inner[1]}"
        elif is_list:
            scalar = re.search(r"number_types\.(\w+)Flags, a \+", code)
            assert scalar, (name, code)
            fields[slot] = f"vector {_BYTES[scalar[1]]}"
    return fields


def test_every_offset_field_of_the_schema_is_walked() -> None:
    source = inspect.getsource(schema.generated())
    readers = {name: _described(body) for name, body in _READER.findall(source)}
    assert len(readers) > 150
    for name, fields in readers.items():
        walked = {
            slot: what.split(" ")[0] if "union" in what else what
            for slot, what in structure.TFLITE.get(name, {}).items()
        }
        assert walked == fields, name


def _model(tensors: int, name: bytes, tables: int | None = None) -> bytes:
    """A file of ``tensors`` tensors that all point to one name; of ``tables`` tables only, if that is given."""
    builder = flatbuffers.Builder(0)
    classes = schema.generated()
    shared = builder.CreateString(name)
    written = []
    for _ in range(tables or tensors):
        classes.TensorStart(builder)
        classes.TensorAddName(builder, shared)
        written.append(classes.TensorEnd(builder))
    vector = _offsets(builder, [written[index % len(written)] for index in range(tensors)])
    classes.SubGraphStart(builder)
    classes.SubGraphAddTensors(builder, vector)
    graphs = _offsets(builder, [classes.SubGraphEnd(builder)])
    buffers = _offsets(builder, [classes.BufferT().Pack(builder)])
    classes.ModelStart(builder)
    classes.ModelAddVersion(builder, 3)
    classes.ModelAddSubgraphs(builder, graphs)
    classes.ModelAddBuffers(builder, buffers)
    builder.Finish(classes.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def _offsets(builder: Any, tables: list[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    vector: int = builder.EndVector()
    return vector


def test_a_name_that_tensors_share_is_no_offence_until_it_multiplies_the_file() -> None:
    assert len(schema.load(_model(2, b"a" * 64)).tensors) == 2
    with pytest.raises(BadInputError, match="share more than they hold"):
        schema.load(_model(100, b"a" * 200_000))


def test_one_table_listed_a_quarter_of_a_million_times_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"share more than they hold|more than 200000 tables"):
        schema.load(_model(250_000, b"", tables=1))


def test_counts_and_offsets_that_leave_the_file() -> None:
    good = _model(1, b"name")
    assert schema.load(good)
    for position in range(8, len(good) - 4, 4):
        for value in (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(good)):
            data = bytearray(good)
            struct.pack_into("<I", data, position, value)
            try:
                schema.load(bytes(data))
            except BadInputError as error:
                assert error.why
