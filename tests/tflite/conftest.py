"""The small files of corpus/ (made by make_corpus.py), opened; and small models written operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repbnn_edge.tflite import schema
from repbnn_edge.tflite.contents import TYPE_CODES
from repbnn_edge.tflite.schema import Model

CORPUS = Path(__file__).parent / "corpus"


@pytest.fixture
def corpus() -> Callable[[str], bytes]:
    return lambda name: (CORPUS / f"{name}.tflite").read_bytes()


@pytest.fixture
def opened(corpus: Callable[[str], bytes]) -> Callable[[str], Model]:
    return lambda name: schema.load(corpus(name))


_OPTIONS = {"FULLY_CONNECTED": "FullyConnected", "CONV_2D": "Conv2D", "ADD": "Add", "PRELU": None}


class GraphBuilder:
    """Collects tensors and operators; tensors are named t0, t1, ... unless they are given a name."""

    def __init__(self) -> None:
        classes = schema.generated()
        self._classes = classes
        self._graph = classes.SubGraphT(tensors=[], operators=[], inputs=[], outputs=[])
        self._raw = classes.ModelT(
            version=3, subgraphs=[self._graph], buffers=[classes.BufferT()], operatorCodes=[], metadata=[]
        )
        self.model = Model(self._raw)

    def tensor(self, *shape: int, type: str = "float32", values: np.ndarray | None = None) -> int:
        buffer = 0
        if values is not None:
            shape, type = values.shape, values.dtype.name
            buffer = len(self._raw.buffers)
            self._raw.buffers.append(self._classes.BufferT(data=values.reshape(-1).view(np.uint8)))
        name = f"t{len(self._graph.tensors)}"
        self._graph.tensors.append(
            self._classes.TensorT(name=name, shape=list(shape), type=TYPE_CODES[type], buffer=buffer)
        )
        return len(self._graph.tensors) - 1

    def operator(self, op: str, inputs: list[int], outputs: list[int], **options: Any) -> None:
        """A builtin operator, or a custom one if the schema has none of this name."""
        classes = self._classes
        operator = classes.OperatorT(inputs=inputs, outputs=outputs)
        if hasattr(classes.BuiltinOperator, op):
            operator.opcodeIndex = schema.operator_code(self.model, op, 1)
            if _OPTIONS.get(op):
                kind = f"{_OPTIONS[op]}Options"
                operator.builtinOptionsType = getattr(classes.BuiltinOptions, kind)
                operator.builtinOptions = getattr(classes, f"{kind}T")(**options)
        else:
            operator.opcodeIndex = len(self._raw.operatorCodes)
            self._raw.operatorCodes.append(
                classes.OperatorCodeT(deprecatedBuiltinCode=32, builtinCode=32, customCode=op, version=1)
            )
        self._graph.operators.append(operator)

    def finish(self, inputs: list[int], outputs: list[int]) -> Model:
        self._graph.inputs, self._graph.outputs = inputs, outputs
        return schema.load(schema.pack(Model(self._raw)))


@pytest.fixture
def builder() -> GraphBuilder:
    return GraphBuilder()
