"""The list of larq-zoo's networks, and how one is built here."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from repbnn_edge import stack
from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.keras_graph import Node, rebuild, walk
from repbnn_edge.zoo.calibration import calibrate


@dataclass(frozen=True)
class ZooNetwork:
    """A network of larq-zoo.

    Attributes:
        module: where larq-zoo has it.
        top1: ImageNet top-1 of larq-zoo's own weights, in percent, from its documentation.
    """

    module: str
    top1: float


NETWORKS: dict[str, ZooNetwork] = {
    "BinaryAlexNet": ZooNetwork("literature", 36.30),
    "BiRealNet": ZooNetwork("literature", 57.47),
    "BinaryResNetE18": ZooNetwork("literature", 58.32),
    "BinaryDenseNet28": ZooNetwork("literature", 60.91),
    "BinaryDenseNet37": ZooNetwork("literature", 62.89),
    "BinaryDenseNet45": ZooNetwork("literature", 64.59),
    "RealToBinaryNet": ZooNetwork("literature", 65.01),
    "MeliusNet22": ZooNetwork("literature", 62.40),
    "XNORNet": ZooNetwork("literature", 44.96),
    "DoReFaNet": ZooNetwork("literature", 53.39),
    "QuickNetSmall": ZooNetwork("sota", 59.40),
    "QuickNet": ZooNetwork("sota", 63.30),
    "QuickNetLarge": ZooNetwork("sota", 66.90),
}

_INSTALL = "install it: pip install --no-deps larq-zoo==2.4.0 zookeeper==1.4.0, and pip install typeguard"


def build(
    name: str, input_shape: tuple[int, int, int] = (224, 224, 3), num_classes: int = 1000, *, seed: int | None = 0
) -> Any:
    """Build a network of larq-zoo, without its trained weights.

    Args:
        name: one of ``NETWORKS``, in any case, with or without dashes.
        input_shape: height, width, channels.
        num_classes: outputs.
        seed: of the calibrated weights (see ``calibrate``); None leaves Keras' fresh ones.

    Returns:
        a functional Keras model without Python Lambdas.

    Raises:
        BadInputError: no such network.
        UnsupportedError: DoReFaNet, whose activations have two bits; or larq-zoo is not installed.
    """
    known = {_plain(key): key for key in NETWORKS}
    if _plain(name) not in known:
        raise BadInputError(name, "larq-zoo has no such network", f"choose one of {', '.join(NETWORKS)}")
    key = known[_plain(name)]
    if key == "DoReFaNet":
        raise UnsupportedError(key, "its activations have 2 bits, and binary layers need 1", "use a 1-bit network")
    factory = getattr(importlib.import_module(f"{_larq_zoo().__name__}.{NETWORKS[key].module}"), key)
    model = _without_lambdas(factory(input_shape=input_shape, weights=None, num_classes=num_classes))
    if seed is not None:
        calibrate(model, seed)
    return model


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _without_lambdas(model: Any) -> Any:
    """Call each Lambda's function on Keras tensors, so that TensorFlow's functions stand in its place."""
    python_lambda = stack.tensorflow().keras.layers.Lambda

    def rewrite(node: Node, tensors: tuple[Any, ...]) -> Any:
        if not isinstance(node.layer, python_lambda):
            return None
        args, kwargs = node.map_arguments(tensors)
        return node.layer.function(*args, **kwargs, **node.layer.arguments)

    graph = walk(model, allow_lambdas=True)
    if not any(isinstance(node.layer, python_lambda) for node in graph.nodes):
        return model
    return rebuild(graph, rewrite, copy_layers=False)


def _larq_zoo() -> Any:
    """Import larq-zoo.

    Raises:
        UnsupportedError: it is not installed.
    """
    stack.larq()
    with _tensorflow_datasets():
        try:
            return importlib.import_module("larq_zoo")
        except ImportError as error:
            raise UnsupportedError("larq-zoo", f"it cannot be imported ({error})", _INSTALL) from error


@contextmanager
def _tensorflow_datasets() -> Iterator[None]:
    """A stand-in while larq-zoo is imported: it names a class of it in annotations, and building uses none."""
    name = "tensorflow_datasets"
    if name in sys.modules or importlib.util.find_spec(name):
        yield
        return
    module = types.ModuleType(name)
    module.decode = types.SimpleNamespace(Decoder=object)  # type: ignore[attr-defined]
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]
