"""Drops what nothing refers to, and keeps equal constants once.

Given::

    buffers: 0 (empty), 1 = A, 2 = B, 3 = A again, 4 = nobody's
    tensors: t0 -> 1, t1 -> 2, t2 -> 3

Result::

    buffers: 0 (empty), 1 = A, 2 = B
    tensors: t0 -> 1, t1 -> 2, t2 -> 1

A buffer of a variable tensor, which the runtime writes to, is never shared. Operator codes that no operator has any
more go too, and quantisation tables that say nothing, of which LCE gives one to each tensor. The file computes what it
did: only indices change.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from repbnn_edge.tflite.schema import Model


def run(model: Model) -> Model:
    """Give a compact copy of ``model``."""
    twin = model.copy()
    raw = twin.raw
    places, kept = _keep_buffers(raw)
    for owner in _owners(raw):
        owner.buffer = places[owner.buffer]
    # The old way of naming metadata buffers; nothing has read it since Model.metadata came.
    raw.metadataBuffer = None
    raw.buffers = kept
    _keep_codes(raw)
    for graph in raw.subgraphs:
        for tensor in graph.tensors or []:
            if _says_nothing(tensor.quantization):
                tensor.quantization = None
    return Model(raw)


def _owners(raw: Any) -> list[Any]:
    """All that has a buffer: tensors, then metadata entries."""
    return [tensor for graph in raw.subgraphs for tensor in graph.tensors or []] + list(raw.metadata or [])


def _keep_buffers(raw: Any) -> tuple[dict[int, int], list[Any]]:
    """Old index -> new index, and the buffers in the order of the old ones."""
    alone = {t.buffer for graph in raw.subgraphs for t in graph.tensors or [] if t.isVariable}
    places, kept = {0: 0}, [raw.buffers[0]]
    seen: dict[tuple[int, bytes], int] = {}
    for index in sorted({owner.buffer for owner in _owners(raw)} - {0}):
        data = raw.buffers[index].data
        size = 0 if data is None else len(data)
        if size == 0 and index not in alone:  # nothing is nothing, whatever its number
            places[index] = 0
            continue
        key = (size, hashlib.sha256(data if size else b"").digest())
        if index in alone or key not in seen:
            places[index] = len(kept)
            kept.append(raw.buffers[index])
            if index not in alone:
                seen[key] = places[index]
        else:
            places[index] = seen[key]
    return places, kept


def _says_nothing(quantization: Any) -> bool:
    return quantization is not None and not any(
        value is not None and np.any(value) for value in vars(quantization).values()
    )


def _keep_codes(raw: Any) -> None:
    operators = [operator for graph in raw.subgraphs for operator in graph.operators or []]
    used = sorted({operator.opcodeIndex for operator in operators})
    for operator in operators:
        operator.opcodeIndex = used.index(operator.opcodeIndex)
    raw.operatorCodes = [raw.operatorCodes[index] for index in used]
