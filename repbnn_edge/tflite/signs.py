"""Which operators can change a bit: those from whose output a sign can be reached."""

from __future__ import annotations

from repbnn_edge.tflite import lce
from repbnn_edge.tflite.schema import Model

# All that reads a sign or bits. An operator before one of these must stay as it is, to the last bit.
_BINARY = frozenset({lce.QUANTIZE, lce.BCONV, lce.BMAXPOOL, lce.DEQUANTIZE})


def before_a_sign(model: Model) -> frozenset[int]:
    """Indices of the operators that a binary operator depends on, and of the binary operators themselves."""
    found: set[int] = set()
    for operator in reversed(model.operators):  # execution order: whoever reads an output comes later
        readers = (reader for tensor in operator.outputs for reader in model.consumers.get(tensor, ()))
        if operator.op in _BINARY or any(reader in found for reader in readers):
            found.add(operator.index)
    return frozenset(found)
