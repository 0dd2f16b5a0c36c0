"""Given: nodes whose inputs are all known (standardised, scaled, clipped, signed weights).
Result: their values, computed by onnxruntime in one session without optimisation.

Its own bits matter: in one published network the weight nearest to its mean is 5.8e-8 standard deviations away,
and another order of summation gives it another sign.
"""

from __future__ import annotations

import numpy as np
import onnx

from repbnn_converters.onnx import sessions
from repbnn_converters.onnx.graph import Graph, Node
from repbnn_edge.errors import BadInputError, UnsupportedError

_NEVER = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
MAX_FOLDED_ELEMENTS = 2**28
_SMALL = 1024


def run(graph: Graph) -> None:
    """Apply the pass.

    Raises:
        UnsupportedError: onnxruntime cannot compute one of them.
    """
    folded, rest = _split(graph)
    if not folded:
        return
    wanted = {name for node in rest for name in node.inputs} | {graph.output}
    results = [output for node in folded for output in node.outputs if output in wanted]
    if results:
        for name, value in zip(results, _compute(graph, folded, results), strict=True):
            if value.dtype.kind == "f" and np.isnan(value).any():
                raise BadInputError(f"constant '{name}'", "it comes out as NaN", "look at the weights it is made of")
            graph.add_constant(name, value)
    graph.nodes = rest


def _split(graph: Graph) -> tuple[list[Node], list[Node]]:
    known = set(graph.constants)
    folded, rest = [], []
    for node in graph.nodes:
        if node.op not in _NEVER and all(not name or name in known for name in node.inputs):
            folded.append(node)
            known.update(node.outputs)
        else:
            rest.append(node)
    return folded, rest


def _compute(
    graph: Graph, nodes: list[Node], results: list[str]
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    for node in nodes:
        _check_size(graph, node)
    read = sorted({name for node in nodes for name in node.inputs if name in graph.constants})
    values = {name: np.asarray(graph.constants[name], order="C") for name in read}
    # Weights are fed, so that they are not written into one more protobuf; small things are what operators want known.
    fed = {name: value for name, value in values.items() if value.size > _SMALL}
    proto = onnx.helper.make_graph(
        [to_proto(node) for node in nodes],
        "constants",
        [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in fed.items()
        ],
        [onnx.helper.make_empty_tensor_value_info(name) for name in results],
        [onnx.numpy_helper.from_array(value, name) for name, value in values.items() if name not in fed],
    )
    imports = [onnx.helper.make_opsetid("", graph.opset)]
    model = onnx.helper.make_model(proto, opset_imports=imports, ir_version=graph.ir_version)
    what = f"the constants before {nodes[-1]}"
    return sessions.run(sessions.unoptimised(model, what), results, fed, what)


def _check_size(graph: Graph, node: Node) -> None:
    for output in node.outputs:
        kind = graph.types.get(output)
        if kind is not None and kind.known and kind.elements > MAX_FOLDED_ELEMENTS:
            raise UnsupportedError(
                str(node), f"its value of shape {list(kind.shape)} is too large", "export without it"
            )


def to_proto(node: Node) -> onnx.NodeProto:
    """The node as ONNX has it."""
    attributes = {}
    for name, value in node.attributes.items():
        if isinstance(value, np.ndarray):
            attributes[name] = onnx.numpy_helper.from_array(np.array(value, order="C"), name)
        elif value != []:
            attributes[name] = value
    return onnx.helper.make_node(node.op, node.inputs, node.outputs, name=node.name, **attributes)
