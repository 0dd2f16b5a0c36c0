"""What is in a TFLite file, operator by operator; needs neither tensorflow nor larq."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from repbnn_edge.errors import BadInputError
from repbnn_edge.files import read_input
from repbnn_edge.inspection.report import (
    ElementwiseTotal,
    EmbeddedMetadata,
    InspectReport,
    Kind,
    OperatorRow,
    Runtime,
    TensorRow,
)
from repbnn_edge.reports import CountPair
from repbnn_edge.tflite import costs, lce, metadata, schema
from repbnn_edge.tflite.schema import Model, Operator

__all__ = ["InspectReport", "OperatorRow", "inspect_data", "inspect_file"]

_BINARY = frozenset({lce.BCONV, lce.BMAXPOOL})
_BITS = {"float32": 32, "int32": 32, "uint32": 32, "float16": 16, "bfloat16": 16, "int16": 16, "uint16": 16}
_BITS |= {"int8": 8, "uint8": 8, "bool": 8, "int4": 4, "int2": 2, "int64": 64, "uint64": 64, "float64": 64}

# Cheap arithmetic and copies: on a wide map they cost their memory traffic.
_ELEMENTWISE = frozenset(
    """
    ABS ADD ADD_N CONCATENATION DIV ELU EXP GELU HARD_SWISH LEAKY_RELU LOGISTIC MAXIMUM MINIMUM MUL NEG PAD PADV2 POW
    PRELU RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 RSQRT SELECT SELECT_V2 SIGN SLICE SPLIT SPLIT_V SQRT SQUARE
    SQUARED_DIFFERENCE STRIDED_SLICE SUB TANH TILE TRANSPOSE
    """.split()  # noqa: SIM905
)
_FLOATS = ("float32", "float16", "bfloat16", "float64")


def inspect_file(path: str | os.PathLike[str]) -> InspectReport:
    """Say what is in a TFLite file.

    Raises:
        BadInputError: missing, unreadable, no TFLite flatbuffer, or one that contradicts itself.
        UnsupportedError: it needs a newer schema, or keeps weights outside the flatbuffer.
    """
    return inspect_data(read_input(Path(path)), str(path))


def inspect_data(data: bytes, path: str) -> InspectReport:
    """Say what is in a TFLite file that is in memory; ``path`` is what to call it. Errors as ``inspect_file``."""
    model = schema.load(data, path)
    rows = [_row(model, operator) for operator in model.operators]
    macs = CountPair(
        binary=sum(row.macs for row in rows if row.binary), float=sum(row.macs for row in rows if not row.binary)
    )
    binary, other = costs.parameters(model, model.operators)
    embedded, warnings = _metadata(data, model)
    moved = [row for row in rows if row.kind == "elementwise"]
    return InspectReport(
        path=path,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        inputs=[_tensor(model, tensor) for tensor in model.inputs],
        outputs=[_tensor(model, tensor) for tensor in model.outputs],
        operators=rows,
        binary_convolutions=sum(row.op == lce.BCONV for row in rows),
        macs=macs,
        ops=macs.float + macs.binary / 64,
        binary_mac_ratio=macs.binary / max(1, macs.binary + macs.float),
        parameters=CountPair(binary=binary, float=other),
        weight_bytes=_weight_bytes(model),
        float32_equivalent_bytes=4 * (binary + other),
        elementwise=ElementwiseTotal(operators=len(moved), activation_bytes=sum(row.activation_bytes for row in moved)),
        runs_on=_runs_on_all(rows),
        metadata=embedded,
        warnings=warnings + _warnings(model, rows),
    )


def _row(model: Model, operator: Operator) -> OperatorRow:
    kept = set(costs.constants(model, operator))
    maps = [model.tensors[tensor] for tensor in operator.inputs if tensor >= 0 and tensor not in kept]
    outputs = [model.tensors[tensor] for tensor in operator.outputs]
    macs = costs.macs(model, operator)
    binary, other = costs.parameters(model, [operator])
    kind = _kind(model, operator, macs)
    return OperatorRow(
        index=operator.index,
        op=operator.op,
        name=outputs[0].name if outputs else "",
        kind=kind,
        binary=kind == "binary",
        input_bits=1 if kind == "binary" else _BITS.get(maps[0].type, 0) if maps else 0,
        input_shapes=[list(tensor.shape) for tensor in maps],
        output_shapes=[list(tensor.shape) for tensor in outputs],
        macs=macs,
        weights=CountPair(binary=binary, float=other),
        weight_bytes=costs.weight_bytes(model, operator),
        activation_bytes=costs.activation_bytes(model, operator),
        runs_on=_runs_on(operator),
    )


def _kind(model: Model, operator: Operator, macs: int) -> Kind:
    if operator.op in _BINARY:
        return "binary"
    if macs:
        return "float"
    is_float = any(model.tensors[tensor].type in _FLOATS for tensor in operator.outputs)
    return "elementwise" if operator.op in _ELEMENTWISE and is_float else "other"


def _runs_on(operator: Operator) -> list[Runtime]:
    if operator.op in lce.OPERATORS:
        return ["lce", "repbnn"]
    return [] if operator.custom else ["tflite", "lce", "repbnn"]


def _runs_on_all(rows: list[OperatorRow]) -> list[Runtime]:
    """Our delegate takes LCE's operators out of a stock runtime's hands, so it needs nothing but the two together."""
    everyone: list[Runtime] = ["tflite", "lce", "repbnn"]
    return [runtime for runtime in everyone if all(runtime in row.runs_on for row in rows)]


def _tensor(model: Model, index: int) -> TensorRow:
    tensor = model.tensors[index]
    return TensorRow(name=tensor.name, shape=list(tensor.shape), type=tensor.type)


def _weight_bytes(model: Model) -> CountPair:
    filters = {model.tensors[o.inputs[1]].buffer for o in model.operators if o.op == lce.BCONV}
    sizes = {tensor.buffer: tensor.bytes for tensor in model.tensors if tensor.constant}
    binary = sum(size for buffer, size in sizes.items() if buffer in filters)
    return CountPair(binary=binary, float=sum(sizes.values()) - binary)


def _metadata(data: bytes, model: Model) -> tuple[EmbeddedMetadata, list[str]]:
    entries = tuple(sorted(model.custom_metadata()))
    try:
        found = metadata.read_metadata(data, model)
    except BadInputError as error:  # the network itself can still be shown
        return EmbeddedMetadata(entries=entries), [str(error)]
    embedded = EmbeddedMetadata(
        name=found.name,
        description=found.description,
        mean=found.mean,
        std=found.std,
        labels=found.labels,
        provenance=found.provenance,
        entries=entries,
    )
    return embedded, []


def _warnings(model: Model, rows: list[OperatorRow]) -> list[str]:
    warnings = []
    if len(model.raw.subgraphs) > 1:
        warnings.append(f"{len(model.raw.subgraphs) - 1} subgraphs besides the main one are not shown")
    unknown = sorted({row.op for row in rows if not row.runs_on})
    if unknown:
        warnings.append(f"no runtime that we know runs {', '.join(unknown)}")
    return warnings
