"""The truth: the ONNX file itself, run by onnxruntime with graph optimisations off, tapped where binary layers read.

What is run is the file's own graph, not our IR; of ours are only the names of the taps, and the movements between a
value of the file and the map that a binary layer reads (a repeat or a slice of signs).

torch.sign(0) is 0, and no bit is: a sample in which a handful of exact zeros reach a sign is run with +1 there, as
binary hardware has it, so that they are counted and nothing behind them looks wrong. Where there are many, the network
is not binary, and the file is run as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_converters.onnx import network as ir
from repbnn_converters.onnx import sessions, taps
from repbnn_converters.onnx.importing import Imported
from repbnn_edge.verification.reference import OUTPUT, BinaryLayer, Floats

FEW_ZEROS = 1e-4
"""The share of numbers before signs that may be exactly 0 by accident."""
_Line = tuple[NDArray[np.float64], NDArray[np.float64]]


class OnnxReference:
    """``repbnn_edge.verification.reference.Reference`` of an imported file.

    Args:
        imported: the file, and what was recognised in it.
        names: what each binary layer is called, by the value that it makes.
    """

    def __init__(self, imported: Imported, names: Mapping[str, str]) -> None:
        self._imported = imported
        self._network = imported.network
        self._names = names
        self._replaced: Mapping[str, Floats] = {}
        self._hardware: Any = None

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        channels, height, width = (*self._network.shapes[self._network.input], 1, 1)[:3]
        return height, width, channels

    @cached_property
    def binary_layers(self) -> Sequence[BinaryLayer]:
        """All binary layers, in topological order."""
        return [self._binary_layer(layer) for layer in self._network.binary]

    def run(self, batch: Floats) -> Mapping[str, Floats]:
        """Every tap and the output, channels last, for (N, H, W, C) inputs."""
        return self._run(self._session, batch, self._hardware_session)

    def run_optimised(self, batch: Floats) -> Mapping[str, Floats]:
        """The same at onnxruntime's default level: what its own fusions change, to stand beside what ours do."""
        return self._run(self._optimised_session, batch, lambda: None)

    def counts(self) -> Mapping[str, Any]:
        """MACs and parameters of the file, before anything was folded."""
        return {"macs": self._macs(), "parameters": self._parameters()}

    def float_weights(self) -> Mapping[str, Floats]:
        """The weights of layers in full precision by their nodes' names: (filters, rows, columns, channels), (F, C)."""
        return {
            layer.name: _channels_last(layer.weights)
            for layer in self._network.layers
            if isinstance(layer, ir.Dense) or (isinstance(layer, ir.Conv) and self._is_one_operator(layer))
            if not layer.added
        }

    def with_float_weights(self, weights: Mapping[str, Floats]) -> OnnxReference:
        """The same file with some of these weights replaced; this one is left as it was."""
        twin = OnnxReference(self._imported, self._names)
        twin._replaced = dict(weights)
        return twin

    def _is_one_operator(self, layer: ir.Conv) -> bool:
        """Whether it is whole in a flatbuffer too, where groups are convolutions of their own."""
        return layer.groups in (1, self._network.shapes[layer.input][0])

    @cached_property
    def _taps(self) -> taps.Taps:
        return taps.Taps(self._network, self._imported.graph, [layer.input for layer in self._network.binary])

    @cached_property
    def _session(self) -> Any:
        return sessions.unoptimised(self._tapped(), "the network")

    @cached_property
    def _optimised_session(self) -> Any:
        return sessions.optimised(self._tapped(), "the network")

    def _hardware_session(self) -> Any:
        """The file with signs that are +1 at 0."""
        if self._hardware is None:
            model = self._tapped()
            _make_signs_binary(model.graph, self._network.plain_signs, self._imported.graph.resolve)
            self._hardware = sessions.unoptimised(model, "the network")
        return self._hardware

    def _has_few_zeros(self, values: Mapping[str, Floats]) -> bool:
        names = {layer.sign_input for layer in self.binary_layers if not layer.exact_at_zero}
        zeros = sum(int(np.count_nonzero(values[name] == 0)) for name in names)
        return 0 < zeros <= max(1.0, FEW_ZEROS * sum(values[name].size for name in names))

    def _tapped(self) -> Any:
        """The file with its taps as outputs."""
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self._imported.model)
        for node in model.graph.node:
            if node.name in self._replaced:
                _replace_weights(model.graph, node, self._replaced[node.name])
        existing = {value.name for value in model.graph.output}
        for name in self._taps.roots:
            if name not in existing and name != self._network.input:
                model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        return model

    def _run(self, session: Any, batch: Floats, hardware: Callable[[], Any]) -> Mapping[str, Floats]:
        size = self._imported.graph.batch
        parts = []
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            values = self._run_part(session, part)
            if self._has_few_zeros(values) and (other := hardware()) is not None:
                values = self._run_part(other, part)
            parts.append(values)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run_part(self, session: Any, part: Floats) -> dict[str, Floats]:
        """One run at the file's own batch size; a last part that is smaller is filled up."""
        size = self._imported.graph.batch
        missing = size - len(part)
        filled = np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.float32)]) if missing else part
        vector = len(self._network.shapes[self._network.input]) == 1
        image = filled.reshape(size, -1) if vector else np.ascontiguousarray(filled.transpose(0, 3, 1, 2))
        wanted = [output.name for output in session.get_outputs()]
        results = sessions.run(session, wanted, {self._network.input: image}, "the network")
        values = dict(zip(wanted, results, strict=True))
        values[self._network.input] = image
        tapped = self._taps.evaluate(values)
        tapped[OUTPUT] = values[self._imported.model.graph.output[0].name]
        return {name: _channels_last(value[: len(part)]) for name, value in tapped.items()}

    def _binary_layer(self, layer: ir.BinaryConv) -> BinaryLayer:
        return BinaryLayer(
            name=self._names.get(layer.output, layer.name),
            kind="dense" if layer.dense else "conv2d",
            sign_input=layer.input,
            weights=np.ascontiguousarray(layer.weights.transpose(2, 3, 1, 0)),
            strides=layer.strides,
            dilations=layer.dilations,
            padding=layer.pads,
            pad_value=layer.pad_value,
            groups=layer.groups,
            to_sign=self._thresholds.get(layer.output),
            exact_at_zero=layer.exact_at_zero,
        )

    @cached_property
    def _thresholds(self) -> dict[str, _Line]:
        """(scale, shift) from each binary layer's integers to the next sign, where nothing but an affine is between."""
        producers = self._network.producers()
        found: dict[str, _Line] = {}
        for reader in self._network.binary:
            chain = []
            producer = producers.get(reader.input)
            while isinstance(producer, ir.Affine | ir.Repeat):
                chain.append(producer)
                producer = producers.get(producer.input)
            if isinstance(producer, ir.BinaryConv) and producer.output not in found:
                composed = _compose(chain[::-1], len(producer.weights))
                if composed is not None:
                    found[producer.output] = composed
        return found

    def _macs(self) -> dict[str, int]:
        macs = {"binary": 0, "float": 0}
        for layer in self._network.layers:
            positions = math.prod(self._network.shapes[layer.output][1:])
            if isinstance(layer, ir.BinaryConv):
                macs["binary"] += positions * layer.source_weights
            elif isinstance(layer, ir.Conv | ir.Dense) and not layer.added:
                macs["float"] += positions * layer.weights.size
            elif isinstance(layer, ir.ConvTranspose):
                macs["float"] += math.prod(self._network.shapes[layer.input][1:]) * layer.weights.size
        return macs

    def _parameters(self) -> dict[str, int]:
        """Weights of binary layers, and every other real number that the file keeps; shape arithmetic is none."""
        import onnx

        graph = self._imported.model.graph
        latent = self._latent_weights()
        kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
        floats = sum(math.prod(t.dims) for t in graph.initializer if t.data_type in kinds and t.name not in latent)
        return {"binary": sum(layer.source_weights for layer in self._network.binary), "float": floats}

    def _latent_weights(self) -> set[str]:
        """Initialisers that only become binary weights, however often the exporter stored them."""
        graph = self._imported.model.graph
        producers = {output: node for node in graph.node for output in node.output if output}
        nodes = {node.name: node for node in graph.node}
        sizes = {tensor.name: math.prod(tensor.dims) for tensor in graph.initializer}
        latent: set[str] = set()
        for layer in self._network.binary:
            pending, seen = [nodes[layer.name].input[1]], set[str]()
            while pending:
                name = pending.pop()
                if name in seen:
                    continue
                seen.add(name)
                if sizes.get(name, 0) >= layer.source_weights:
                    latent.add(name)
                pending.extend(producers[name].input if name in producers else ())
        return latent


def _make_signs_binary(graph: Any, signs: Set[str], resolve: Callable[[str], str]) -> None:
    """Turn ``Sign`` into ``Sign(Sign(x) + 1/2)``, +1 at 0, for values that are ``signs`` under their last name."""
    import onnx

    half = f"half{ir.DERIVED}sign"
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(0.5, np.float32), half))
    nodes = []
    for node in graph.node:
        if node.op_type != "Sign" or resolve(node.output[0]) not in signs:
            nodes.append(node)
            continue
        own, plain, moved = node.output[0], f"{node.output[0]}{ir.DERIVED}plain", f"{node.output[0]}{ir.DERIVED}moved"
        nodes.append(onnx.helper.make_node("Sign", [node.input[0]], [plain]))
        nodes.append(onnx.helper.make_node("Add", [plain, half], [moved]))
        nodes.append(onnx.helper.make_node("Sign", [moved], [own], name=node.name))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _replace_weights(graph: Any, node: Any, weights: Floats) -> None:
    """Give a node of a ModelProto other weights, in the layout that it reads."""
    import onnx

    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Conv":
        own = weights.transpose(0, 3, 1, 2)
    elif attributes.get("transB", 0):
        own = weights / np.float32(attributes.get("alpha", 1.0))
    else:
        own = weights.T / np.float32(attributes.get("alpha", 1.0))
    name = f"{node.name}{ir.DERIVED}weights"
    graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(own, np.float32), name))
    node.input[1] = name


def _compose(
    chain: list[ir.Affine | ir.Repeat], channels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    scale, shift = np.ones(channels), np.zeros(channels)
    for layer in chain:
        if isinstance(layer, ir.Repeat):
            scale, shift = np.tile(scale, layer.times), np.tile(shift, layer.times)
            continue
        parts = [part for part in (layer.scale, layer.shift) if part is not None]
        if any(part.size not in (1, len(scale)) or part.size != part.shape[0] for part in parts):
            return None
        if layer.scale is not None:
            scale, shift = scale * layer.scale.reshape(-1), shift * layer.scale.reshape(-1)
        if layer.shift is not None:
            shift = shift + layer.shift.reshape(-1)
    return scale, shift


def _channels_last(value: Any) -> Floats:
    if value.ndim == 4:
        value = value.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(value, np.float32)
