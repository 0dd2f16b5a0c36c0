"""What ``inspect`` says: the fields of its JSON."""

from __future__ import annotations

from typing import Literal

from repbnn_edge.reports import CountPair, Report
from repbnn_edge.tflite.metadata import Provenance

Runtime = Literal["tflite", "lce", "repbnn"]
Kind = Literal["binary", "float", "elementwise", "other"]


class TensorRow(Report):
    """An input or output of the network."""

    name: str
    shape: list[int]
    type: str


class OperatorRow(Report):
    """One operator.

    Attributes:
        index: its place in the execution order.
        op: TFLite's word, or the custom code.
        name: of its first output, as the converter wrote it.
        kind: ``binary`` computes on bits; ``float`` is a convolution or dense layer that does not; ``elementwise`` is
            float work between layers that moves memory and computes next to nothing; ``other`` the rest.
        binary: kind is ``binary``.
        input_bits: width of an element of the first input.
        input_shapes, output_shapes: of the maps; constants are left out.
        macs: multiply-accumulates of one run.
        weights: how many, 1-bit and other.
        weight_bytes: of its constants.
        activation_bytes: what it reads and writes, if nothing is fused.
        runs_on: ``tflite`` is any stock TFLite or LiteRT, ``lce`` LCE's interpreter, ``repbnn`` our delegate.
    """

    index: int
    op: str
    name: str
    kind: Kind
    binary: bool
    input_bits: int
    input_shapes: list[list[int]]
    output_shapes: list[list[int]]
    macs: int
    weights: CountPair
    weight_bytes: int
    activation_bytes: int
    runs_on: list[Runtime]


class ElementwiseTotal(Report):
    """Float work between the layers: how many operators, and what they move through memory where nothing is fused."""

    operators: int
    activation_bytes: int


class EmbeddedMetadata(Report):
    """What the file says about itself."""

    name: str = ""
    description: str = ""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    labels: tuple[str, ...] = ()
    provenance: Provenance | None = None
    entries: tuple[str, ...] = ()


class InspectReport(Report):
    """The result of ``inspect``.

    Attributes:
        path: the file, as it was named.
        bytes: its size.
        sha256: of the whole file.
        inputs, outputs: of the network.
        operators: of the main subgraph, in execution order.
        binary_convolutions: how many operators are LceBconv2d.
        macs: multiply-accumulates of one run.
        ops: float MACs + binary MACs / 64, the measure that papers use.
        binary_mac_ratio: the share of MACs that are binary.
        parameters: weights in the file, each once.
        weight_bytes: of binary weights, and of all other constants, each once.
        float32_equivalent_bytes: of the same weights as float32.
        elementwise: float work between the layers.
        runs_on: runtimes that run every operator; ``repbnn`` with the stock runtime under it.
        metadata: what the file says about itself.
        warnings: what is odd about the file.
    """

    path: str
    bytes: int
    sha256: str
    inputs: list[TensorRow]
    outputs: list[TensorRow]
    operators: list[OperatorRow]
    binary_convolutions: int
    macs: CountPair
    ops: float
    binary_mac_ratio: float
    parameters: CountPair
    weight_bytes: CountPair
    float32_equivalent_bytes: int
    elementwise: ElementwiseTotal
    runs_on: list[Runtime]
    metadata: EmbeddedMetadata
    warnings: list[str]
