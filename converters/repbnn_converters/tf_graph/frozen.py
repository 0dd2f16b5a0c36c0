"""A frozen inference graph: its nodes in order, its constants folded, its shapes at batch size 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge import stack
from repbnn_edge.errors import BadInputError


@dataclass(frozen=True)
class Node:
    """One operation: its inputs as ``name:index``, control inputs left out."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]


class FrozenGraph:
    """A signature with its variables turned into constants.

    Args:
        function: a frozen ConcreteFunction with one input and one output.
        shape: the input shape to run at, batch size 1.
        where: the file, for messages.
    """

    def __init__(self, function: Any, shape: tuple[int, ...], where: str) -> None:
        self.function, self.input_shape = function, shape
        self.input_name = function.inputs[0].op.name
        self.output = function.outputs[0].name
        graph = function.graph
        self.nodes = [_node(op) for op in graph.get_operations() if op.type != "NoOp"]
        self._by_name = {node.name: node for node in self.nodes}
        self._check(where)
        self._constants = self._fold()
        self._shapes = self._infer_shapes()

    def _check(self, where: str) -> None:
        for node in self.nodes:
            if node.op == "Placeholder" and node.name != self.input_name:
                raise BadInputError(where, f"it has a second input {node.name!r}", "give the signature one input")

    def producer(self, tensor: str) -> Node | None:
        """The node that computes ``tensor``, looking through identities."""
        node = self._by_name.get(tensor.rsplit(":", 1)[0])
        while node is not None and node.op in {"Identity", "IdentityN", "StopGradient"}:
            index = int(tensor.rsplit(":", 1)[1]) if node.op == "IdentityN" else 0
            tensor = node.inputs[index]
            node = self._by_name.get(tensor.rsplit(":", 1)[0])
        return node

    def constants_of(self, node: Node) -> list[NDArray[Any]] | None:
        """The node's outputs where they do not depend on the input, else None."""
        return self._constants.get(node.name)

    def shape_of(self, tensor: str) -> tuple[int, ...]:
        """The static shape of a tensor at batch size 1."""
        return self._shapes[tensor]

    def run(self, batch: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Run the graph and give every floating-point tensor that depends on the input."""
        names = [f"{n.name}:{i}" for n in self.nodes if n.name not in self._constants for i in range(self._outputs(n))]
        tensors = [self.function.graph.get_tensor_by_name(name) for name in names]
        results = self.function.prune(self.function.inputs, tensors)(stack.tensorflow().constant(batch))
        return {name: value.numpy() for name, value in zip(names, results, strict=True)}

    def _outputs(self, node: Node) -> int:
        return 1 if node.op.startswith("FusedBatchNorm") else len(self._op(node).outputs)

    def _op(self, node: Node) -> Any:
        return self.function.graph.get_operation_by_name(node.name)

    def _fold(self) -> dict[str, list[NDArray[Any]]]:
        constant: set[str] = set()
        for node in self.nodes:
            if node.op != "Placeholder" and all(name.rsplit(":", 1)[0] in constant for name in node.inputs):
                constant.add(node.name)
        wanted = [node for node in self.nodes if node.name in constant]
        tensors = [tensor for node in wanted for tensor in self._op(node).outputs]
        # Constants can hang on the input by control edges alone, so they are read off a run on zeros.
        zeros = stack.tensorflow().zeros(self.input_shape)
        values = [np.asarray(v) for v in self.function.prune(self.function.inputs, tensors)(zeros)] if tensors else []
        folded, position = {}, 0
        for node in wanted:
            count = len(self._op(node).outputs)
            folded[node.name] = values[position : position + count]
            position += count
        return folded

    def _infer_shapes(self) -> dict[str, tuple[int, ...]]:
        zeros = np.zeros(self.input_shape, np.float32)
        return {name: tuple(value.shape) for name, value in self.run(zeros).items()}


def _node(op: Any) -> Node:
    attributes = {}
    for name in ("strides", "padding", "dilations", "explicit_paddings", "epsilon", "ksize", "axis", "alpha",
                 "transpose_a", "transpose_b", "data_format", "is_training", "num_split", "num", "keep_dims",
                 "begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "block_size",
                 "squeeze_dims", "align_corners", "half_pixel_centers", "mode", "DstT", "T"):  # fmt: skip
        try:
            attributes[name] = op.get_attr(name)
        except ValueError:
            continue
    decoded = {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}
    return Node(op.name, op.type, tuple(tensor.name for tensor in op.inputs), decoded)
