"""The operations that a SavedModel may hold; a file with any other is refused before TensorFlow loads it.

Reading and writing of files, Python functions, tables, queues and remote calls are not among them. The saver's own
operations stand in every SavedModel, so they are known, but must not be reachable from the signature that is run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from repbnn_edge.errors import BadInputError

COMPUTE = {
    "Abs", "Add", "AddN", "AddV2", "AvgPool", "BatchToSpaceND", "BiasAdd", "BroadcastTo", "Cast", "ConcatV2", "Const",
    "Conv2D", "DepthToSpace", "DepthwiseConv2dNative", "DisableCopyOnRead", "Elu", "Equal", "Exp", "ExpandDims",
    "Fill", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "GatherV2", "Greater", "GreaterEqual",
    "Identity", "IdentityN", "LeakyRelu", "Less", "LessEqual", "Log", "LogicalAnd", "LogicalNot", "MatMul", "Max",
    "MaxPool", "Maximum", "Mean", "MirrorPad", "Minimum", "Mul", "Neg", "NoOp", "OnesLike", "Pack", "Pad", "PadV2",
    "PartitionedCall", "Placeholder", "PlaceholderWithDefault", "Pow", "Prod", "Range", "RealDiv", "ReadVariableOp",
    "Relu", "Relu6", "Reshape", "ResizeBilinear", "ResizeNearestNeighbor", "Rsqrt", "Select", "SelectV2", "Selu",
    "Shape", "Sigmoid", "Sign", "Slice", "Softmax", "Softplus", "Softsign", "SpaceToBatchND", "SpaceToDepth", "Split",
    "SplitV", "Sqrt", "Square", "SquaredDifference", "Squeeze", "StatefulPartitionedCall", "StopGradient",
    "StridedSlice", "Sub", "Sum", "Tanh", "Tile", "Transpose", "Unpack", "VarHandleOp", "ZerosLike",
}  # fmt: skip

TRAINING = {
    "AssignSubVariableOp", "AssignAddVariableOp", "AssignVariableOp", "BroadcastGradientArgs", "RandomUniform",
    "RandomStandardNormal", "RestoreV2", "SaveV2", "MergeV2Checkpoints", "ShardedFilename", "StaticRegexFullMatch",
    "StringJoin", "StatelessIf", "If", "PreventGradient", "ReluGrad", "Conv2DBackpropInput", "Conv2DBackpropFilter",
    "FusedBatchNormGradV3", "BiasAddGrad", "MaxPoolGrad", "AvgPoolGrad", "Relu6Grad", "StatelessRandomUniformV2",
    "StatelessRandomGetKeyCounter", "SigmoidGrad", "TanhGrad", "SoftplusGrad", "SqueezeV2", "Size", "FloorDiv",
    "FloorMod", "LogSoftmax", "SparseSoftmaxCrossEntropyWithLogits", "ArgMax", "InvertPermutation", "TruncatedNormal",
}  # fmt: skip


def check_file(meta_graph: Any, where: str) -> None:
    """Raise BadInputError if a MetaGraphDef holds an operation that is on neither list, or assets."""
    if meta_graph.asset_file_def:
        raise BadInputError(where, "it reads asset files", "export the network without its input pipeline")
    graph = meta_graph.graph_def
    _check(graph.node, COMPUTE | TRAINING, where)
    for function in graph.library.function:
        _check(function.node_def, COMPUTE | TRAINING, where)


def check_signature(nodes: Iterable[Any], where: str) -> None:
    """Raise BadInputError if a frozen signature does anything but compute."""
    _check(nodes, COMPUTE - {"VarHandleOp", "ReadVariableOp", "StatefulPartitionedCall", "PartitionedCall"}, where)


def _check(nodes: Iterable[Any], allowed: set[str], where: str) -> None:
    for node in nodes:
        if node.op not in allowed:
            raise BadInputError(
                where,
                f"its node {node.name!r} is a {node.op}, which is not on the list of what is run from files",
                "convert from the code instead: file.py:function",
            )
