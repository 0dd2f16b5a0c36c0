"""The import as a whole: path in, recognised network out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repbnn_converters.onnx import loader, network_passes, passes
from repbnn_converters.onnx.graph import Graph
from repbnn_converters.onnx.network import Network
from repbnn_converters.onnx.reading import read_graph
from repbnn_converters.onnx.recognition import recognise
from repbnn_converters.onnx.trust import contradictions


@dataclass(frozen=True, eq=False)
class Imported:
    """What an ONNX file says, and what was made of it.

    Attributes:
        model: the checked ModelProto, external data included.
        graph: after the passes.
        network: in our IR.
    """

    model: Any
    graph: Graph
    network: Network


def import_network(path: Path) -> Imported:
    """Load, simplify and recognise.

    Raises:
        BadInputError: no ONNX file, broken, or hostile.
        UnsupportedError: something in it has no exact form; names the node.
    """
    model = loader.load(path)
    with contradictions(str(path)):
        graph = read_graph(model)
        passes.run_all(graph)
        network = recognise(graph)
        network_passes.run_all(network)
    return Imported(model, graph, network)
