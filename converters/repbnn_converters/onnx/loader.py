"""An untrusted ONNX file becomes a checked ``ModelProto``, in bounded time and memory, or a sentence.

Nothing in the file runs, nothing is written, nothing outside the file's folder is read. What is checked here
holds for everything behind: sizes agree with shapes, names are unique, every input exists, the graph is sorted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from repbnn_converters.onnx import external_data
from repbnn_edge import files
from repbnn_edge.errors import BadInputError, UnsupportedError

MAX_BYTES = 2**31 - 1
"""protobuf's own limit for one message, and ours for model and external data together."""
MAX_NODES = 200_000
"""A hundred times the longest network of this field; what lies beyond is an attack or not for a phone."""
MAX_RANK = 16
_AGAIN = "export it again with torch.onnx.export"


def load(path: Path) -> Any:
    """Read and check ``path``; external data are inside the ``ModelProto`` that comes back.

    Raises:
        BadInputError: no ONNX file, broken, hostile, or too large.
        UnsupportedError: sound, but of a kind that cannot be imported.
    """
    data = files.read_input(path, limit=MAX_BYTES)
    _refuse_other_formats(path, data)
    model = parse(path, data)
    _check_versions(path, model)
    _check_nodes(path, model)
    _check_tensors(path, model)
    _check_names(path, model.graph)
    _sort(path, model.graph)
    return model


def parse(path: Path, data: bytes) -> Any:
    """Decode the protobuf message; the bytes are not believed beyond that."""
    from google.protobuf.message import DecodeError

    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RuntimeError) as error:
        raise BadInputError(str(path), "it is no ONNX file, or a part of one", _AGAIN) from error
    if not model.HasField("graph") or not model.graph.node:
        raise BadInputError(str(path), "it holds no ONNX graph", _AGAIN)
    return model


def _refuse_other_formats(path: Path, data: bytes) -> None:
    export = "export the network with torch.onnx.export(model.eval(), image, 'model.onnx')"
    if data[:4] == b"PK\x03\x04":
        raise BadInputError(str(path), "it is a zip archive (a PyTorch checkpoint, perhaps), not an ONNX file", export)
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise BadInputError(str(path), "it is a Python pickle, which is never opened here", export)
    if data[4:8] == b"TFL3":
        raise BadInputError(str(path), "it is a TFLite file", "give it its .tflite name")
    if data[:8] == b"\x89HDF\r\n\x1a\n":
        raise BadInputError(str(path), "it is an HDF5 file", "give it its .h5 name")


def _check_versions(path: Path, model: Any) -> None:
    newest = onnx.defs.onnx_opset_version()
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] < 1:
        raise BadInputError(str(path), "it does not say its opset", _AGAIN)
    if versions[0] > newest:
        why = f"it is of opset {versions[0]}, and {newest} is the newest known here"
        raise BadInputError(str(path), why, "export it with opset_version=18")
    if versions[0] < 9:
        raise UnsupportedError(str(path), f"opset {versions[0]} is too old", "export it with opset_version=18")
    if model.ir_version > onnx.IR_VERSION:
        why = f"it is of IR version {model.ir_version}, and {onnx.IR_VERSION} is the newest known here"
        raise BadInputError(str(path), why, _AGAIN)


def _check_nodes(path: Path, model: Any) -> None:
    graph = model.graph
    if len(graph.node) > MAX_NODES:
        raise BadInputError(str(path), f"it has {len(graph.node)} nodes, more than {MAX_NODES}", "name a network")
    if graph.sparse_initializer:
        raise UnsupportedError(str(path), "it has sparse initialisers", "export it with dense weights")
    for position, node in enumerate(graph.node):
        if not node.name:
            node.name = f"{node.op_type}_{position}"
        what = f"node '{node.name}' ({node.op_type})"
        if node.domain not in ("", "ai.onnx"):
            why = f"its domain '{node.domain}' is not ONNX's own"
            raise UnsupportedError(what, why, "export without custom operators: opset_version=18, no contrib ops")
        if any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute):
            why = "its path depends on a value at run time"
            raise UnsupportedError(what, why, "export with a fixed input size, so that the exporter takes one path")
        if not node.output or not any(node.output):
            raise BadInputError(what, "it has no output", _AGAIN)
        try:
            onnx.defs.get_schema(node.op_type, _opset(model), "")
        except (onnx.defs.SchemaError, ValueError) as error:  # ValueError: a name that is no UTF-8
            why = f"opset {_opset(model)} has no such operator"
            raise UnsupportedError(what, why, "export without custom operators") from error


def _opset(model: Any) -> int:
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))


def _tensors(model: Any) -> Iterator[Any]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
            if attribute.type in (onnx.AttributeProto.SPARSE_TENSOR, onnx.AttributeProto.TYPE_PROTO):
                raise UnsupportedError(f"node '{node.name}'", "it holds a sparse tensor", "export dense weights")


def _check_tensors(path: Path, model: Any) -> None:
    """Shapes against bytes first: a header that promises 2 GB must not make anybody allocate them."""
    total = 0
    for tensor in _tensors(model):
        what = f"tensor '{tensor.name}' of {path}"
        elements = _elements(what, tensor)
        dtype = _dtype(what, tensor)
        total += elements * dtype.itemsize
        if total > MAX_BYTES:
            raise BadInputError(str(path), "its tensors promise more than 2 GB", "name a smaller network")
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _bring_in(path, tensor, elements * dtype.itemsize)
        _check_payload(what, tensor, elements, dtype)
        if dtype.kind == "f" and np.isnan(onnx.numpy_helper.to_array(tensor)).any():
            raise BadInputError(what, "it holds NaN", "train or export it again: no network with NaN can be right")


def _elements(what: str, tensor: Any) -> int:
    if len(tensor.dims) > MAX_RANK or any(d < 0 for d in tensor.dims):
        raise BadInputError(what, f"its shape {list(tensor.dims)[:MAX_RANK]} is impossible", _AGAIN)
    return math.prod(tensor.dims)


def _dtype(what: str, tensor: Any) -> np.dtype[Any]:
    known = (
        *(onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BOOL),
        *(onnx.TensorProto.INT8, onnx.TensorProto.INT16, onnx.TensorProto.INT32, onnx.TensorProto.INT64),
        *(onnx.TensorProto.UINT8, onnx.TensorProto.UINT16, onnx.TensorProto.UINT32, onnx.TensorProto.UINT64),
    )
    if tensor.data_type not in known:
        raise BadInputError(what, f"its element type {tensor.data_type} is none that a network has", _AGAIN)
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))


def _bring_in(path: Path, tensor: Any, expected: int) -> None:
    fields = {entry.key: entry.value for entry in tensor.external_data}
    tensor.raw_data = external_data.read(path, tensor.name, fields, expected)
    del tensor.external_data[:]
    tensor.data_location = onnx.TensorProto.DEFAULT


def _check_payload(what: str, tensor: Any, elements: int, dtype: np.dtype[Any]) -> None:
    if tensor.HasField("segment"):
        raise UnsupportedError(what, "it is stored in segments", _AGAIN)
    if tensor.HasField("raw_data") or not elements:
        held, needed = len(tensor.raw_data), elements * dtype.itemsize
    else:
        held, needed = len(getattr(tensor, onnx.helper.tensor_dtype_to_field(tensor.data_type))), elements
    if held != needed:
        raise BadInputError(
            what, f"its shape {list(tensor.dims)} needs {needed} bytes or numbers, it has {held}", _AGAIN
        )


def _check_names(path: Path, graph: Any) -> None:
    seen: set[str] = set()
    for tensor in graph.initializer:
        if not tensor.name or tensor.name in seen:
            raise BadInputError(f"tensor '{tensor.name}' of {path}", "its name is not its own", _AGAIN)
        seen.add(tensor.name)
    seen.update(value.name for value in graph.input)
    for node in graph.node:
        for output in node.output:
            if output and output in seen:
                raise BadInputError(f"node '{node.name}' of {path}", f"'{output}' is defined twice", _AGAIN)
            seen.add(output)
    for node in graph.node:
        for name in node.input:
            if name and name not in seen:
                why = f"its input '{name}' is neither a node's output nor an initialiser"
                raise BadInputError(f"node '{node.name}' of {path}", why, _AGAIN)
    for value in graph.output:
        if value.name not in seen:
            raise BadInputError(str(path), f"its output '{value.name}' is made by no node", _AGAIN)


def _sort(path: Path, graph: Any) -> None:
    """Put the nodes in topological order unless they are, keeping the file's order: reports then follow the source."""
    producer = {output: i for i, node in enumerate(graph.node) for output in node.output if output}
    sources = [{producer[name] for name in node.input if name in producer} for node in graph.node]
    if all(source < i for i, before in enumerate(sources) for source in before):
        return
    order = _topological(sources)
    if len(order) != len(sources):
        stuck = graph.node[min(set(range(len(sources))) - set(order))]
        raise BadInputError(f"node '{stuck.name}' of {path}", "it depends on its own output", _AGAIN)
    nodes = [onnx.NodeProto.FromString(graph.node[i].SerializeToString()) for i in order]
    del graph.node[:]
    graph.node.extend(nodes)


def _topological(sources: list[set[int]]) -> list[int]:
    """Kahn's algorithm; what lies on a cycle, or behind one, is left out."""
    waiting = [len(before) for before in sources]
    readers: dict[int, list[int]] = {}
    for i, before in enumerate(sources):
        for source in before:
            readers.setdefault(source, []).append(i)
    order = [i for i, count in enumerate(waiting) if count == 0]
    for i in order:
        for reader in readers.get(i, ()):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                order.append(reader)
    return order
