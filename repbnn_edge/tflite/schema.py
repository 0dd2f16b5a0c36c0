"""The only door to the TFLite flatbuffer schema: a file checked and opened, and a model packed again.

The schema's own classes come from ai-edge-litert, which generates them; nothing outside ``repbnn_edge.tflite``
touches them. ``Model`` shows the main subgraph as plain values; passes work on ``Model.copy().raw``.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.tflite import contents, structure

IDENTIFIER = b"TFL3"
_VERSION = 3
_CUSTOM = 32
_SHORT = 256
_ALIGNMENT = 16  # the schema's force_align, which flatbuffers for Python does not know


@dataclass(frozen=True)
class Tensor:
    """A tensor of the main subgraph.

    Attributes:
        index: its place in the subgraph.
        name: as the converter wrote it; Keras' layer names live in it.
        shape: dimensions; empty for a scalar.
        type: the schema's word, in lower case: ``float32``, ``int8``, ``int32``, ...
        buffer: the index of its data; an empty buffer is a tensor that is computed.
        constant: whether its values stand in the file.
        bytes: of the constant's data, else 0.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    type: str
    buffer: int
    constant: bool
    bytes: int


@dataclass(frozen=True)
class Operator:
    """An operator of the main subgraph.

    Attributes:
        index: its place in the execution order.
        op: the schema's word (``CONV_2D``), or the custom code (``LceBconv2d``).
        custom: whether it is none of the schema's own.
        inputs: tensor indices, -1 for one that is left out.
        outputs: tensor indices.
        options: the schema's options object (``strideH``, ``padding``, ...), None for a custom operator.
        custom_options: a custom operator's own bytes.
    """

    index: int
    op: str
    custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any
    custom_options: bytes


class Model:
    """A TFLite model whose structure was checked.

    Attributes:
        raw: the schema's object tree (``ModelT``); constants are read-only views of the file.
    """

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    @property
    def graph(self) -> Any:
        """The main subgraph of ``raw``."""
        return self.raw.subgraphs[0]

    @property
    def inputs(self) -> tuple[int, ...]:
        """Tensor indices of the inputs."""
        return _ints(self.graph.inputs)

    @property
    def outputs(self) -> tuple[int, ...]:
        """Tensor indices of the outputs."""
        return _ints(self.graph.outputs)

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors of the main subgraph."""
        return tuple(self._tensor(index, tensor) for index, tensor in enumerate(self.graph.tensors or []))

    @cached_property
    def operators(self) -> tuple[Operator, ...]:
        """The operators of the main subgraph, in execution order."""
        names = [_operator_name(code) for code in self.raw.operatorCodes or []]
        return tuple(
            Operator(
                index=index,
                op=names[operator.opcodeIndex],
                custom=_number(self.raw.operatorCodes[operator.opcodeIndex]) == _CUSTOM,
                inputs=_ints(operator.inputs),
                outputs=_ints(operator.outputs),
                options=operator.builtinOptions or operator.builtinOptions2,
                custom_options=b"" if operator.customOptions is None else bytes(operator.customOptions),
            )
            for index, operator in enumerate(self.graph.operators or [])
        )

    @cached_property
    def producers(self) -> Mapping[int, int]:
        """For each tensor that an operator writes, that operator."""
        return {tensor: operator.index for operator in self.operators for tensor in operator.outputs}

    @cached_property
    def consumers(self) -> Mapping[int, tuple[int, ...]]:
        """For each tensor that operators read, those operators, in order and each once."""
        readers: dict[int, list[int]] = {}
        for operator in self.operators:
            for tensor in dict.fromkeys(operator.inputs):
                if tensor >= 0:
                    readers.setdefault(tensor, []).append(operator.index)
        return {tensor: tuple(indices) for tensor, indices in readers.items()}

    def constant(self, tensor: int) -> NDArray[Any] | None:
        """The values of a constant tensor in its own shape and dtype, read-only; None for one that is computed.

        int4 is given unpacked as int8. Strings, sparse and variant tensors have no such form: None.
        """
        if not self.tensors[tensor].constant:
            return None
        return contents.values(self.graph.tensors[tensor], self.buffer(self.tensors[tensor].buffer))

    def buffer(self, index: int) -> NDArray[np.uint8]:
        """The bytes of a buffer."""
        data = self.raw.buffers[index].data
        return np.empty(0, np.uint8) if data is None else np.asarray(data, np.uint8)

    def custom_metadata(self) -> dict[str, bytes]:
        """The model's metadata entries, by name."""
        return {_text(entry.name): self.buffer(entry.buffer).tobytes() for entry in self.raw.metadata or []}

    def copy(self) -> Model:
        """A model whose lists and objects may be changed; the constants' bytes are shared, never written to."""
        raw = _copied(self.raw, "operatorCodes", "subgraphs", "buffers", "metadata", "signatureDefs")
        raw.subgraphs = [_copied(graph, "tensors", "operators") for graph in raw.subgraphs]
        return Model(raw)

    def _tensor(self, index: int, tensor: Any) -> Tensor:
        size = self.buffer(tensor.buffer).size
        return Tensor(
            index=index,
            name=_text(tensor.name),
            shape=_ints(tensor.shape),
            type=contents.TYPE_NAMES[tensor.type],
            buffer=tensor.buffer,
            constant=size > 0,
            bytes=size,
        )


def load(data: bytes, name: str = "the file") -> Model:
    """Open a TFLite flatbuffer that may be broken or hostile.

    Args:
        data: the whole file; what stands behind the flatbuffer (a ZIP of labels) is not looked at.
        name: what to call it in an error.

    Raises:
        BadInputError: it is no TFLite flatbuffer, or contradicts itself.
        UnsupportedError: it needs a newer schema or keeps weights outside the flatbuffer, or ai-edge-litert is missing.
    """
    if data[4:8] != IDENTIFIER:
        raise BadInputError(name, "it is no TFLite flatbuffer (no TFL3 mark)", "name a .tflite file")
    schema = generated()
    try:
        structure.check(data, "Model", structure.TFLITE, _unions())
        raw = schema.ModelT.InitFromPackedBuf(data)
        contents.check(raw)
    except structure.NewerSchemaError as error:
        raise UnsupportedError(
            name, f"it uses {error}, which this ai-edge-litert does not know", "upgrade ai-edge-litert"
        ) from error
    except contents.OutsideError as error:
        raise UnsupportedError(name, str(error), "convert it without external weights") from error
    except (structure.BrokenError, contents.ContradictionError) as error:
        raise BadInputError(name, str(error), "write the file again") from error
    except (struct.error, ValueError, TypeError, IndexError, OverflowError) as error:
        raise BadInputError(name, f"its tables cannot be read ({error})", "write the file again") from error
    if raw.version != _VERSION:
        raise BadInputError(name, f"it has schema version {raw.version}, not {_VERSION}", "convert it again")
    return Model(raw)


def pack(model: Model) -> bytes:
    """Write a model as a flatbuffer; equal models give equal bytes, and every buffer is aligned to 16 bytes."""
    raw = model.raw
    size = sum(len(buffer.data) + _ALIGNMENT for buffer in raw.buffers or [] if buffer.data is not None)
    builder = _Builder(size + 512 * sum(len(graph.tensors or []) for graph in raw.subgraphs) + 4096)
    builder.Finish(raw.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def operator_code(model: Model, op: str, version: int) -> int:
    """The index of a builtin operator's code in ``model.raw``, which is given one if it lacks it."""
    codes = model.raw.operatorCodes
    for index, code in enumerate(codes):
        if (_operator_name(code), code.version) == (op, version):
            return index
    number = next(number for number, name in _builtin_names().items() if name == op)
    codes.append(generated().OperatorCodeT(deprecatedBuiltinCode=min(number, 127), builtinCode=number, version=version))
    return len(codes) - 1


class _Builder(flatbuffers.Builder):
    """Aligns vectors of bytes, which are buffers and custom options, as flatc's generated C++ does.

    Short vectors that are equal, mostly shapes, are written once: readers follow offsets and cannot tell.
    """

    __slots__ = ("_short",)

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._short: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802
        if x.nbytes > _SHORT:
            return int(super().CreateNumpyVector(x))
        key = x.dtype.str, x.tobytes()
        if key not in self._short:
            self._short[key] = int(super().CreateNumpyVector(x))
        return self._short[key]

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:  # noqa: N802, N803
        return super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment)


@cache
def generated() -> Any:
    """The module of the schema's generated classes.

    Raises:
        UnsupportedError: ai-edge-litert, which brings them, is not installed (it has no wheel for Windows).
    """
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise UnsupportedError(
            "TFLite files",
            "the schema comes with ai-edge-litert, which is not installed",
            "install ai-edge-litert (Linux or macOS), or work under WSL",
        ) from error
    return schema_py_generated


@cache
def _unions() -> Mapping[str, Mapping[int, str]]:
    schema = generated()
    names = ("BuiltinOptions", "BuiltinOptions2", "QuantizationDetails", "SparseIndexVector")
    return {name: {code: kind for kind, code in _members(getattr(schema, name))} for name in names}


@cache
def _builtin_names() -> Mapping[int, str]:
    return {code: name for name, code in _members(generated().BuiltinOperator)}


def _members(enumeration: Any) -> list[tuple[str, int]]:
    return [(name, code) for name, code in vars(enumeration).items() if isinstance(code, int)]


def _number(code: Any) -> int:
    # Files from before the 128th operator have the old field only; new ones write its maximum, 127, there.
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def _operator_name(code: Any) -> str:
    number = _number(code)
    if number == _CUSTOM:
        return _text(code.customCode) or "CUSTOM"
    return _builtin_names().get(number, f"BUILTIN_{number}")


def _text(value: bytes | str | None) -> str:
    """A name for people: no control character of a hostile file reaches a terminal."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _ints(values: Sequence[int] | NDArray[np.int32] | None) -> tuple[int, ...]:
    return () if values is None else tuple(int(value) for value in values)


def _copied(owner: Any, *lists: str) -> Any:
    """A shallow copy of ``owner`` whose named lists hold shallow copies too."""
    twin = copy.copy(owner)
    for name in lists:
        items = getattr(owner, name)
        setattr(twin, name, None if items is None else [copy.copy(item) for item in items])
    return twin
