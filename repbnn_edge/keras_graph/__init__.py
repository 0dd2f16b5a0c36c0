"""A Keras 2 network as a flat list of calls: walk it, rebuild it with some calls replaced, run it call by call.

Functional and Sequential models are accepted; models inside models are inlined, and a layer that is called
twice gives two nodes. Operations that Keras writes as ``TFOpLambda`` are nodes like any other.

::

    graph = walk(model)                      # Graph: inputs, nodes in topological order, outputs
    for node in graph.nodes:
        node.name                            # unique: "conv"; "block.conv" where two bear it; "conv#2": a second call
        node.layer, node.layer_name          # the Keras layer, and its name in a rebuilt model
        node.operation                       # "QuantConv2D", or TensorFlow's name of a TFOpLambda: "math.multiply"
        node.inputs, node.outputs            # Values: .tap (the name in taps), .shape (with None), .dtype
        node.map_arguments(tensors)          # (args, kwargs) of the call, with ``tensors`` in place of node.inputs
        node.call(tensors)                   # the call itself, on Keras or eager tensors
    graph.node(name), graph.producer(value), graph.consumers(value)

    rebuild(model, rewrite)                  # a new functional Model; rewrite(node, tensors) -> tensors or None
    evaluate(model, batch, override, taps)   # {tap: array}, eager, in inference mode; override has rewrite's form
    copy_layer(layer, name, **changes)       # a fresh layer from the configuration; its weights are not copied

    binary_nodes(graph)                      # convolutions and dense layers whose weights AND input are two-valued
    two_valued_taps(graph)                   # the values that a sign made
    costs(model)[node.name], totals(model)   # weights and MACs, binary and float, before folding

``rewrite`` and ``override`` get the input tensors in the order of ``node.inputs`` and return one tensor for each of
``node.outputs`` (a bare tensor where there is one), or None to leave the call as it is. ``rebuild`` copies layers and
their weights, so that the given model stays as it was; ``copy_layers=False`` calls the model's own layers again, which
is faster and shares variables.

Errors: ``BadInputError`` for a model that was never built; ``UnsupportedError``, naming the layer, for a Python Lambda,
a subclassed model, and a layer that cannot be made again from its configuration.
"""

from __future__ import annotations

from repbnn_edge.keras_graph.binary import binary_nodes, two_valued_taps
from repbnn_edge.keras_graph.counting import Cost, costs, totals
from repbnn_edge.keras_graph.evaluation import evaluate
from repbnn_edge.keras_graph.graph import Graph, Node, Rewrite, Value
from repbnn_edge.keras_graph.rebuilding import copy_layer, copy_weights, rebuild
from repbnn_edge.keras_graph.walker import walk

__all__ = [
    "Cost",
    "Graph",
    "Node",
    "Rewrite",
    "Value",
    "binary_nodes",
    "copy_layer",
    "copy_weights",
    "costs",
    "evaluate",
    "rebuild",
    "totals",
    "two_valued_taps",
    "walk",
]
