"""A checked ``ModelProto`` becomes a ``Graph``: every value typed, every shape a number.

Types come from ONNX's own rules, node by node, in one sweep that also computes the exporters' shape arithmetic:
the Shape/Slice/Concat/Reshape chains before which whole-graph shape inference gives up are constants by the time
the next node is asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from repbnn_converters.onnx.evaluation import MAX_ELEMENTS, evaluate
from repbnn_converters.onnx.graph import Array, Graph, Node, ValueType
from repbnn_edge.errors import BadInputError, UnsupportedError

MAX_VALUE_ELEMENTS = 2**29
"""No feature map of a network for a phone has 2 GB."""
# Operators that ONNX defines by a function body, and gives no rule of their own.
_TYPED_LIKE = {"GreaterOrEqual": "Greater", "LessOrEqual": "Less"}
# Here onnx multiplies what the file says without a look at the result.
_MULTIPLYING = {"Tile", "Expand", "ConstantOfShape", "Resize", "Upsample"}
# Operators with a window, whose attributes must fit the map before onnx sees them.
_WINDOWED = {"Conv", "ConvTranspose", "ConvInteger", "MaxPool", "AveragePool", "LpPool", "MaxUnpool"}
_AGAIN = "export it again with torch.onnx.export"


def read_graph(model: Any) -> Graph:
    """Turn the protobuf into a ``Graph``.

    Raises:
        BadInputError: operators that contradict their inputs.
        UnsupportedError: several inputs or outputs, an input that is no float32 image, a shape that stays open.
    """
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    source = _the_input(model, constants)
    batch, input_type = _input_type(source)
    graph = Graph(
        nodes=[],
        constants=constants,
        types={name: ValueType(tuple(value.shape), value.dtype) for name, value in constants.items()},
        input=source.name,
        output=_the_output(model),
        batch=batch,
        opset=next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
        ir_version=model.ir_version,
    )
    graph.types[source.name] = input_type
    _Sweep(graph).run(model.graph.node)
    return graph


def _the_input(model: Any, constants: dict[str, Array]) -> Any:
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise UnsupportedError("the network's inputs", f"they are {names}", "export a network of one image input")
    return inputs[0]


def _the_output(model: Any) -> str:
    if len(model.graph.output) != 1:
        names = ", ".join(value.name for value in model.graph.output) or "none"
        raise UnsupportedError("the network's outputs", f"they are {names}", "export a network that returns one tensor")
    return str(model.graph.output[0].name)


def _input_type(source: Any) -> tuple[int, ValueType]:
    what = f"input '{source.name}'"
    tensor = source.type.tensor_type
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        known = tensor.elem_type in onnx.TensorProto.DataType.values()
        name = onnx.TensorProto.DataType.Name(tensor.elem_type) if known else str(tensor.elem_type)
        why = f"its element type is {name.lower()}, and onnxruntime has no convolution of it"
        raise UnsupportedError(what, why, "export the network in float32: model.float()")
    sizes = [d.dim_value if not d.dim_param else -1 for d in tensor.shape.dim]
    if len(sizes) not in (2, 4):
        raise UnsupportedError(
            what, f"it has {len(sizes)} dimensions", "export with an image (1, channels, rows, columns)"
        )
    batch = sizes[0] if sizes[0] > 0 else 1
    if any(size <= 0 for size in sizes[1:]):
        why = f"its shape {['?' if s <= 0 else s for s in sizes]} leaves more open than the batch"
        raise UnsupportedError(what, why, "export with a fixed image size: dynamic axes for the batch only")
    kind = ValueType((batch, *sizes[1:]), np.dtype(np.float32))
    if kind.elements > MAX_VALUE_ELEMENTS:
        raise BadInputError(what, f"its shape {list(kind.shape)} is impossible", _AGAIN)
    return batch, kind


class _Sweep:
    """One pass over the nodes in order, carrying types and known integers."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.protos = {name: _to_proto(kind) for name, kind in graph.types.items()}
        self.imports = [onnx.helper.make_opsetid("", graph.opset)]

    def run(self, protos: Any) -> None:
        for proto in protos:
            node = Node(
                op=proto.op_type,
                inputs=list(proto.input),
                outputs=list(proto.output),
                attributes={a.name: _attribute(a) for a in proto.attribute},
                name=proto.name,
            )
            value = self._known(node)
            if value is None:
                self._infer(node, proto)
                self.graph.nodes.append(node)
            else:
                self._add(node.output, value)

    def _add(self, name: str, value: Array) -> None:
        self.graph.add_constant(name, value)
        self.protos[name] = _to_proto(self.graph.types[name])

    def _known(self, node: Node) -> Array | None:
        """The node's value, where it is a constant of the file or shape arithmetic."""
        if node.op == "Constant":
            return _constant(node)
        if node.op == "Shape":
            kind = self.graph.types.get(node.input(0))
            if kind is None or not kind.known:
                return None
            start, end = node.attributes.get("start", 0), node.attributes.get("end")
            return np.array(kind.shape, np.int64)[start:end]
        inputs = [self.graph.constants.get(name) if name else None for name in node.inputs]
        if not inputs or any(value is None for value, name in zip(inputs, node.inputs, strict=True) if name):
            return None
        if len(node.outputs) != 1 or any(value is not None and value.size > MAX_ELEMENTS for value in inputs):
            return None
        if any(value is not None and value.dtype.kind not in "iub" for value in inputs):
            return None
        try:
            value = evaluate(node, inputs)
        except (ValueError, IndexError, TypeError, OverflowError, KeyError, ZeroDivisionError) as error:
            raise BadInputError(str(node), f"its inputs do not fit it ({error})", _AGAIN) from error
        return value if value is not None and value.dtype.kind in "iub" else None

    def _infer(self, node: Node, proto: Any) -> None:
        types = {name: self.protos[name] for name in node.inputs if name and name in self.protos}
        small = {
            name: onnx.numpy_helper.from_array(np.array(value, order="C"), name)
            for name in node.inputs
            if name and (value := self.graph.constants.get(name)) is not None and value.size <= MAX_ELEMENTS
        }
        if any(name and name not in types for name in node.inputs):
            return  # what is not typed stays untyped; whoever needs its shape will name it
        if node.op in _WINDOWED:
            self._check_window(node)
        if node.op in _MULTIPLYING and self._largest_integer(node) > MAX_VALUE_ELEMENTS:
            raise BadInputError(str(node), "its sizes are impossible", _AGAIN)
        schema = onnx.defs.get_schema(_TYPED_LIKE.get(node.op, node.op), self.graph.opset, "")
        try:
            found = onnx.shape_inference.infer_node_outputs(
                schema, proto, types, small, None, self.imports, self.graph.ir_version
            )
        except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError, ValueError) as error:
            why = f"its inputs do not fit it ({str(error).strip()[:200]})"
            raise BadInputError(str(node), why, _AGAIN) from error
        for output in node.outputs:
            if output and output in found:
                self._type(node, output, found[output])

    def _check_window(self, node: Node) -> None:
        """onnx's own rules for windows read past the end of what does not fit, and crash the process."""
        types = [self.graph.types.get(name) for name in node.inputs[: 2 if "Conv" in node.op else 1]]
        if any(kind is None or len(kind.shape) != 4 for kind in types):
            raise UnsupportedError(str(node), "it works on no map of channels, rows and columns", "use 2-d layers")
        for name, length in (("kernel_shape", 2), ("strides", 2), ("dilations", 2), ("pads", 4)):
            values = node.attributes.get(name)
            if values is not None and (not isinstance(values, list) or len(values) != length):
                raise BadInputError(str(node), f"its {name} are {str(values)[:60]}", _AGAIN)

    def _largest_integer(self, node: Node) -> int:
        constants = (self.graph.constants.get(name) for name in node.inputs)
        whole = [value for value in constants if value is not None and value.dtype.kind in "iu" and value.size]
        return max((max(abs(int(value.min())), int(value.max())) for value in whole), default=0)

    def _type(self, node: Node, output: str, proto: Any) -> None:
        # An overflowed size makes onnx's own rules of the next operator crash the process.
        sizes = [d.dim_value for d in proto.tensor_type.shape.dim]
        if any(not 0 <= size <= MAX_VALUE_ELEMENTS for size in sizes):
            raise BadInputError(str(node), f"its output is too large: sizes {sizes[:8]}", _AGAIN)
        kind = _from_proto(proto)
        if kind is None:
            return
        if kind.known and kind.elements > MAX_VALUE_ELEMENTS:
            raise BadInputError(
                str(node), f"its output of shape {list(kind.shape)} is too large", "name a smaller network"
            )
        self.graph.types[output] = kind
        self.protos[output] = proto


def _constant(node: Node) -> Array:
    attributes = node.attributes
    for name, dtype in (("value_float", np.float32), ("value_floats", np.float32), ("value_int", np.int64)):
        if name in attributes:
            return np.array(attributes[name], dtype)
    if "value_ints" in attributes:
        return np.array(attributes["value_ints"], np.int64)
    if not isinstance(attributes.get("value"), np.ndarray):
        raise UnsupportedError(str(node), "it holds no numbers", "export without string or sparse constants")
    return np.asarray(attributes["value"])


def _attribute(proto: Any) -> Any:
    value = onnx.helper.get_attribute_value(proto)
    if proto.type == onnx.AttributeProto.TENSOR:
        return onnx.numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if proto.type in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS):
        return list(value)
    return value


def _to_proto(kind: ValueType) -> Any:
    shape = [size if size >= 0 else None for size in kind.shape]
    return onnx.helper.make_tensor_type_proto(onnx.helper.np_dtype_to_tensor_dtype(kind.dtype), shape)


def _from_proto(proto: Any) -> ValueType | None:
    tensor = proto.tensor_type
    if not proto.HasField("tensor_type") or not tensor.elem_type or not tensor.HasField("shape"):
        return None
    shape = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim)
    return ValueType(shape, np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)))
