"""A network's tensors under the names of the built-in description, and back: how weights get into the package and out.

Latent weights of binary convolutions are float16 and centred: the layer takes the sign of ``w - mean(w)``, so that is
what must survive the rounding, and training goes on from it as from any other. All else is float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repbnn_edge.errors import BadInputError
from repbnn_training import store
from repbnn_training.networks import ReCUResNet20

NETWORK = "rep-recu-resnet20"
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def to_tensors(network: ReCUResNet20) -> dict[str, NDArray[np.floating[Any]]]:
    """``{layer/variable: values}`` as ``repbnn_edge.models.weights`` reads them."""
    state = network.state_dict()
    return {key: np.ascontiguousarray(_out(key, state[name])) for key, name in _names(network)}


def from_tensors(network: ReCUResNet20, tensors: dict[str, NDArray[np.floating[Any]]]) -> None:
    """Set a network's parameters and moments.

    Raises:
        BadInputError: a tensor is missing or of another shape.
    """
    state = network.state_dict()
    for key, name in _names(network):
        if key not in tensors:
            raise BadInputError(key, "the weights have none", f"give weights of {NETWORK}, beta {network.beta}")
        value = _in(key, torch.from_numpy(np.asarray(tensors[key], np.float32)), state[name])
        if value.shape != state[name].shape:
            why = f"its shape is {list(tensors[key].shape)}, which is of another beta"
            raise BadInputError(key, why, f"give weights of {NETWORK}, beta {network.beta}")
        state[name] = value
    network.load_state_dict(state)


def load_into(network: ReCUResNet20, path: Path) -> None:
    """Start from a file: ``.safetensors`` of the package, or a run's ``checkpoint.pt``.

    Raises:
        BadInputError: it is broken, or of another network.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(path)
        except (SafetensorError, OSError) as error:
            raise BadInputError(str(path), f"it is no safetensors file ({error})", "give another") from error
        from_tensors(network, tensors)
        return
    try:
        network.load_state_dict(store.load(path)["network"])
    except (RuntimeError, KeyError) as error:
        raise BadInputError(str(path), f"it holds another network ({error})", "give a run of this one") from error


def start_of(place: Path, recipe: str, beta: int, seed: int) -> Path:
    """The file to start a run from: ``place`` itself, or in a folder of runs or of the package's weights the one of it.

    Raises:
        BadInputError: the folder has none.
    """
    if place.is_file():
        return place
    for file in (place / f"{recipe}-seed{seed}" / store.CHECKPOINT, place / f"{NETWORK}-beta{beta}.safetensors"):
        if file.exists():
            return file
    raise BadInputError(str(place), f"it has no weights for {recipe} with seed {seed}", "name a run or a file")


def _names(network: ReCUResNet20) -> Iterator[tuple[str, str]]:
    """(our name, PyTorch's name)."""
    yield "stem_conv/kernel", "conv1.weight"
    yield from _norm("stem_bn", "bn1")
    for index in range(len(network.blocks)):
        block = f"stage{index // 3 + 1}_block{index % 3 + 1}"
        for half in (1, 2):
            yield f"{block}_conv{half}/kernel", f"blocks.{index}.conv{half}.weight"
            yield f"{block}_conv{half}/filter_scale", f"blocks.{index}.conv{half}.alpha"
            yield from _norm(f"{block}_bn{half}", f"blocks.{index}.bn{half}")
    yield from _norm("head_bn", "bn2")
    yield "head_dense/kernel", "linear.weight"
    yield "head_dense/bias", "linear.bias"


def _norm(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    for variable, name in _NORM.items():
        yield f"{ours}/{variable}", f"{theirs}.{name}"


def _out(key: str, value: Tensor) -> NDArray[np.floating[Any]]:
    array = value.detach().cpu().float().numpy()
    if key.endswith("/filter_scale"):
        return array.reshape(-1)
    if array.ndim == 2:
        return array.T
    if array.ndim < 4:
        return array
    kernel = array.transpose(2, 3, 1, 0)  # OIHW to HWIO
    return kernel if key.startswith("stem") else (kernel - kernel.mean((0, 1, 2))).astype(np.float16)


def _in(key: str, value: Tensor, like: Tensor) -> Tensor:
    if key.endswith("/filter_scale"):
        return value.reshape(-1, 1, 1)
    if value.ndim == 4:
        return value.permute(3, 2, 0, 1).contiguous()
    return value.T.contiguous() if value.ndim == 2 else value.reshape(value.shape)
