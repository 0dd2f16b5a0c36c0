"""A sign times a map before a layer, as XNOR-Net's ``sign(x) * mean|x|``: where the factor may stand behind the layer.

A convolution is linear: ``conv(K * s, w) = K * conv(s, w)`` for a K that is one number a sample. A K of one number a
position is such a number for each output of a 1x1 convolution that reads every position. For any other K there is no
such form, and the layer stays in full precision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from repbnn_converters.onnx import two_valued
from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import NO_PADS, Affine, Combine, Doubles, Shape
from repbnn_converters.onnx.recognition.binary_layers import Linear, merged_pads
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.symbols import Real, ScaledSign, TwoValued


@dataclass(frozen=True, eq=False)
class Behind:
    """A layer that reads the bare sign, and what is to be done with its output.

    Attributes:
        node, linear: the layer, without bias.
        factor: what its output is multiplied with or divided by.
        bias: what is added then, one number a filter.
    """

    node: Node
    linear: Linear
    factor: ScaledSign
    bias: Doubles | None


def note(builder: Builder, node: Node, sign: TwoValued, factor: str | Doubles) -> None:
    """Remember that ``node`` multiplies or divides ``sign`` by a map or an array of constants."""
    kind: Literal["multiply", "divide"] = "divide" if node.op == "Div" else "multiply"
    builder.scaled_signs[node.output] = ScaledSign(sign, factor, kind)


def bare(builder: Builder, node: Node, linear: Linear) -> Behind | None:
    """The layer with the factor of its input behind it; None where there is none or it must stay before."""
    scaled = builder.scaled_signs.get(node.input(0))
    if scaled is None or not _commutes(_shape(builder, scaled), scaled.sign, linear):
        return None
    nearly = linear.groups == 1 and two_valued.with_few_zeros(linear.weights) is not None
    if merged_pads(scaled.sign, linear) is None or not (nearly or two_valued.decompose(linear.weights) is not None):
        return None
    name, output = builder.fresh(node.input(0)), builder.fresh(node.output)
    builder.symbols[name] = scaled.sign
    for fresh, own in ((name, node.input(0)), (output, node.output)):
        builder.graph.types[fresh] = builder.graph.types[own]
    inner = Node(node.op, [name, *node.inputs[1:]], [output], node.attributes, node.name)
    return Behind(inner, replace(linear, bias=None), scaled, linear.bias)


def multiply(builder: Builder, node: Node, behind: Behind) -> None:
    """The node's output: the bare layer's, times the factor, plus the bias."""
    name = builder.real(Node("Identity", [behind.node.output], [], {}, node.name), 0)
    shape, factor = builder.network.shapes[name], behind.factor
    last = behind.bias is None or not behind.bias.any()
    output = node.output if last else builder.fresh(node.output)
    if isinstance(factor.factor, str):
        inputs = (name, factor.factor)
        builder.emit(Combine(name=node.name, inputs=inputs, output=output, kind=factor.kind), shape)
    else:
        scale = factor.factor if factor.kind == "multiply" else 1 / factor.factor
        builder.emit(Affine(name=node.name, inputs=(name,), output=output, scale=scale), shape)
    if behind.bias is not None and not last:
        shift = behind.bias.reshape((-1,) + (1,) * (len(shape) - 1))
        builder.emit(Affine(name=node.name, inputs=(output,), output=node.output, shift=shift), shape)
    builder.symbols[node.output] = Real(node.output)


def _shape(builder: Builder, scaled: ScaledSign) -> Shape:
    factor = scaled.factor
    return builder.network.shapes[factor] if isinstance(factor, str) else factor.shape


def _commutes(factor: Shape, sign: TwoValued, linear: Linear) -> bool:
    """Whether every output of the layer reads inputs of one and the same factor."""
    if not any(size > 1 for size in factor):
        return True
    pointwise = linear.weights.shape[2:] == (1, 1) and max(linear.strides) == 1 and not linear.dense
    return factor[0] == 1 and pointwise and linear.pads == NO_PADS and not sign.padded
