"""What our IR has no layer for: one node of full precision, with one map in and one out, is left to onnx2tf."""

from __future__ import annotations

import numpy as np
import onnx

from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import Foreign
from repbnn_converters.onnx.passes import fold_constants
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.handlers import TABLE
from repbnn_edge.errors import UnsupportedError

# Steps: a rounding difference before one becomes a difference of 1, which nobody can prove anything about.
_STEPS = {"Floor", "Ceil", "Mod", "ArgMax", "ArgMin", "Equal", "Hardmax", "TopK", "NonZero", "Trunc"}
_RANDOM = {"RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial", "Dropout"}
_WHOLE = {"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QuantizeLinear", "DequantizeLinear"}
_REFUSED = _STEPS | _RANDOM | _WHOLE
# Operators that we know in part; for the others that we know, what we refuse is refused.
_KNOWN_IN_PART = {"Resize", "Upsample", "Pad", "Softmax", "LogSoftmax", "Gelu", "Selu", "ConvTranspose", "AveragePool"}
_KNOWN_IN_PART |= {"MaxPool", "LayerNormalization"}
MAX_BYTES = 2**26


def attempt(builder: Builder, node: Node, error: UnsupportedError) -> None:
    """Note the node as foreign, if it can be; ``error`` is why we cannot do it.

    Raises:
        UnsupportedError: ``error`` itself.
    """
    maps = [name for name in node.inputs if name and name not in builder.graph.constants]
    kinds = [builder.graph.types.get(name) for name in (*maps, node.output)]
    if node.op in _REFUSED or (node.op in TABLE and node.op not in _KNOWN_IN_PART):
        raise error
    if len(maps) != 1 or len([output for output in node.outputs if output]) != 1:
        raise error
    if any(kind is None or not kind.known or kind.dtype != np.float32 for kind in kinds):
        raise error
    source, target = builder.shape(node, maps[0]), builder.shape(node, node.output)
    if builder.graph.batch != 1 or {len(source), len(target)} - {2, 4}:
        raise error
    index = node.inputs.index(maps[0])
    name = builder.real(node, index)
    if builder.network.shapes[name] != source[1:]:
        raise error
    model = _alone(builder, node, index, source)
    if len(model) > MAX_BYTES:
        raise error
    builder.give(node, Foreign, target[1:], inputs=(name,), operator=node.op, model=model, why=error.why)
    builder.network.notes.append(f"{node}: it is full precision and beyond the importer, and was left to onnx2tf")


def _alone(builder: Builder, node: Node, index: int, shape: tuple[int, ...]) -> bytes:
    """The node by itself as a model."""
    names = [f"constant{i}" if name else "" for i, name in enumerate(node.inputs)]
    names[index] = "x"
    constants = [
        onnx.numpy_helper.from_array(np.array(builder.graph.constants[name], order="C"), names[i])
        for i, name in enumerate(node.inputs)
        if name and i != index
    ]
    alone = Node(node.op, names, ["y"], node.attributes, "node")
    kind = onnx.helper.make_tensor_value_info
    target = builder.shape(node, node.output)
    graph = onnx.helper.make_graph(
        [fold_constants.to_proto(alone)],
        "node",
        [kind("x", onnx.TensorProto.FLOAT, shape)],
        [kind("y", onnx.TensorProto.FLOAT, target)],
        constants,
    )
    imports = [onnx.helper.make_opsetid("", builder.graph.opset)]
    model = onnx.helper.make_model(graph, opset_imports=imports, ir_version=builder.graph.ir_version)
    return bytes(model.SerializeToString())
