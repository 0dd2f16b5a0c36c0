"""Reads the options of custom operators: a FlexBuffers map from names to numbers, checked before it is believed."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_MAP, _KEYS_LIMIT = 9, 256
_INT, _UINT, _FLOAT, _BOOL = 1, 2, 3, 26
_INDIRECT = {6: _INT, 7: _UINT, 8: _FLOAT}
_FORMATS = {
    _INT: {1: "<b", 2: "<h", 4: "<i", 8: "<q"},
    _UINT: {1: "<B", 2: "<H", 4: "<I", 8: "<Q"},
    _BOOL: {1: "<B", 2: "<H", 4: "<I", 8: "<Q"},
    _FLOAT: {2: "<e", 4: "<f", 8: "<d"},
}

Number = int | float


def read_numbers(data: bytes) -> Mapping[str, Number]:
    """Read a map of numbers and booleans.

    Args:
        data: the whole FlexBuffer, as it stands in an operator's custom options.

    Raises:
        ValueError: the bytes are no such map; the message is a clause.
    """
    if len(data) < 3:
        raise ValueError("they are too short")
    width, kind = data[-1], data[-2] >> 2
    if kind != _MAP or width not in (1, 2, 4, 8):
        raise ValueError("they are no map")
    start = _back(data, len(data) - 2 - width, width)
    return _read_map(data, start, 1 << (data[-2] & 3))


def _read_map(data: bytes, values: int, width: int) -> Mapping[str, Number]:
    count = _uint(data, values - width, width)
    if count > _KEYS_LIMIT:
        raise ValueError(f"they have {count} keys")
    key_width = _uint(data, values - 2 * width, width)
    if key_width not in (1, 2, 4, 8):
        raise ValueError("their keys have an impossible width")
    keys = _back(data, values - 3 * width, width)
    if _uint(data, keys - key_width, key_width) != count:
        raise ValueError("they have more keys than values or fewer")
    types = values + count * width
    if types + count > len(data):
        raise ValueError("they end too early")
    return {
        _key(data, _back(data, keys + i * key_width, key_width)): _number(
            data, values + i * width, width, data[types + i]
        )
        for i in range(count)
    }


def _number(data: bytes, position: int, width: int, packed: int) -> Number:
    kind = packed >> 2
    if kind in _INDIRECT:
        position, width, kind = _back(data, position, width), 1 << (packed & 3), _INDIRECT[kind]
    layout = _FORMATS.get(kind, {}).get(width)
    if layout is None:
        raise ValueError(f"a value is of kind {kind}, not a number")
    value = _unpack(layout, data, position)
    return bool(value) if kind == _BOOL else value


def _key(data: bytes, position: int) -> str:
    end = data.find(b"\0", position, position + _KEYS_LIMIT)
    if end < 0:
        raise ValueError("a key has no end")
    return data[position:end].decode("ascii", "replace")


def _back(data: bytes, position: int, width: int) -> int:
    """FlexBuffers' offsets count backwards from where they stand."""
    offset = _uint(data, position, width)
    if offset > position:
        raise ValueError("an offset leaves them")
    return position - offset


def _uint(data: bytes, position: int, width: int) -> int:
    return int(_unpack(_FORMATS[_UINT][width], data, position))


def _unpack(layout: str, data: bytes, position: int) -> Number:
    if position < 0 or position + struct.calcsize(layout) > len(data):
        raise ValueError("an offset leaves them")
    value: Number = struct.unpack_from(layout, data, position)[0]
    return value
