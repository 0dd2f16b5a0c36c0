"""Custom options: what flatbuffers' own writer writes is read back, and nothing else is believed."""

from __future__ import annotations

import pytest
from flatbuffers import flexbuffers
from hypothesis import given, settings
from hypothesis import strategies as st

from repbnn_edge.tflite.flexbuffer import read_numbers

_values = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, width=32), st.booleans())
_keys = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@given(st.dictionaries(_keys, _values, max_size=12))
def test_reads_what_the_standard_writer_writes(numbers: dict[str, int | float | bool]) -> None:
    builder = flexbuffers.Builder()
    builder.MapFromElements(numbers)
    assert read_numbers(bytes(builder.Finish())) == numbers


@settings(max_examples=300)
@given(st.binary(max_size=80))
def test_random_bytes_are_a_clause_or_numbers(data: bytes) -> None:
    try:
        assert all(isinstance(value, int | float) for value in read_numbers(data).values())
    except ValueError as error:
        assert str(error)


@given(st.integers(0, 59), st.integers(0, 255))
def test_damage_of_one_byte(position: int, value: int) -> None:
    builder = flexbuffers.Builder()
    builder.MapFromElements({"stride_height": 2, "stride_width": 2, "channels_in": 64, "scale": 0.5})
    data = bytearray(builder.Finish())
    data[position % len(data)] = value
    try:
        read_numbers(bytes(data))
    except ValueError as error:
        assert str(error)


def test_a_map_of_strings_is_refused() -> None:
    builder = flexbuffers.Builder()
    builder.MapFromElements({"padding": "SAME"})
    with pytest.raises(ValueError, match="not a number"):
        read_numbers(bytes(builder.Finish()))
