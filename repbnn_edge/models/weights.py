"""Weights of a built-in network: from calibration, from a ``.safetensors`` or a Keras ``.weights.h5`` file, and back.

A weights file is data from outside: neither format can run code, every name and shape is compared with the network's
before anything is taken, and values that are not finite are refused.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repbnn_edge.errors import BadInputError
from repbnn_edge.files import check_input_file, write_whole
from repbnn_edge.models.arithmetic import Floats
from repbnn_edge.models.description import Description

_FORMAT = "repbnn-weights/1"


def assign(model: Any, weights: Mapping[str, Mapping[str, Floats]]) -> None:
    """Set ``{layer: {variable: values}}``."""
    for layer, variables in weights.items():
        for variable, values in variables.items():
            getattr(model.get_layer(layer), variable).assign(values)


def save_weights(model: Any, name: str, description: Description, path: Path) -> None:
    """Write a built-in network's weights as safetensors: one tensor ``layer/variable`` each, float32.

    Raises:
        StorageError: the disk refuses.
    """
    from safetensors.numpy import save

    tensors = {
        f"{node.name}/{variable}": np.ascontiguousarray(_value(model, node.name, variable))
        for node in description.nodes
        for variable in node.weights
    }
    about = {"format": _FORMAT, "network": name, "beta": str(description.beta)}
    write_whole(path, save(tensors, metadata=about))


def load_weights(model: Any, name: str, description: Description, path: Path) -> None:
    """Set a built-in network's weights from a file.

    Raises:
        BadInputError: missing or broken, of another kind, of another network or beta, or with NaN or infinity.
    """
    check_input_file(path)
    if path.suffix == ".safetensors":
        assign(model, _from_safetensors(name, description, path))
    elif path.name.endswith((".weights.h5", ".h5")):
        _from_h5(model, name, description, path)
    else:
        raise BadInputError(str(path), "it is neither .safetensors nor .weights.h5", "save the weights as one of them")


def _value(model: Any, layer: str, variable: str) -> Floats:
    value = getattr(model.get_layer(layer), variable)
    return np.asarray(getattr(value, "latent_variable", value), dtype=np.float32)


def _from_safetensors(name: str, description: Description, path: Path) -> dict[str, dict[str, Floats]]:
    from safetensors import SafetensorError, safe_open

    expected = {f"{n.name}/{variable}": shape for n in description.nodes for variable, shape in n.weights.items()}
    try:
        with safe_open(path, framework="np") as file:
            _check_owner(name, description, path, file.metadata() or {})
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - no mapping
            _check_shapes(name, description, path, shapes, expected)
            tensors = {key: file.get_tensor(key) for key in expected}
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise BadInputError(str(path), f"it is no readable safetensors file ({error})", "save it again") from error
    weights: dict[str, dict[str, Floats]] = {}
    for key, values in tensors.items():
        layer, variable = key.rsplit("/", 1)
        weights.setdefault(layer, {})[variable] = _checked(path, key, values)
    return weights


def _check_owner(name: str, description: Description, path: Path, about: Mapping[str, str]) -> None:
    network, beta = about.get("network", name), about.get("beta", str(description.beta))
    if (network, beta) != (name, str(description.beta)):
        raise _mismatch(name, description, path, f"it holds the weights of {network} with beta {beta}")


def _check_shapes(
    name: str,
    description: Description,
    path: Path,
    have: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
) -> None:
    for key, shape in expected.items():
        if key not in have:
            raise _mismatch(name, description, path, f"it has no {key}")
        if have[key] != shape:
            raise _mismatch(name, description, path, f"{key} has the shape {have[key]}, not {shape}")
    extra = sorted(set(have) - set(expected))
    if extra:
        raise _mismatch(name, description, path, f"it has {extra[0]}, which the network has not")


def _mismatch(name: str, description: Description, path: Path, why: str) -> BadInputError:
    return BadInputError(str(path), why, f"give the weights of {name} with beta {description.beta}")


def _checked(path: Path, key: str, values: Any) -> Floats:
    array = np.asarray(values)
    if array.dtype.kind != "f":
        raise BadInputError(str(path), f"{key} holds {array.dtype}, not floats", "save the weights as float32")
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise BadInputError(str(path), f"{key} holds NaN or infinity", "train the network again, or save it earlier")
    return array


def _from_h5(model: Any, name: str, description: Description, path: Path) -> None:
    """Keras numbers layers by class, so the layout to compare with is that of the network's own weights."""
    have = _h5_shapes(path, check_values=True)
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "own.weights.h5"
        model.save_weights(own)
        _check_shapes(name, description, path, have, _h5_shapes(own, check_values=False))
    try:
        with tempfile.TemporaryDirectory() as folder:
            # Keras takes the new format by the name's ending alone.
            copy = Path(folder) / "given.weights.h5"
            copy.write_bytes(path.read_bytes())
            model.load_weights(copy)
    except (OSError, ValueError, KeyError) as error:
        raise _mismatch(name, description, path, f"Keras cannot read it ({error})") from error


def _h5_shapes(path: Path, *, check_values: bool) -> dict[str, tuple[int, ...]]:
    """Shapes of all data sets, by path; a link out of the file or data kept elsewhere is refused."""
    import h5py

    shapes: dict[str, tuple[int, ...]] = {}

    def walk(group: Any, prefix: str) -> None:
        for key in group:
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise BadInputError(str(path), f"{prefix}{key} is a link", "save the weights again, without links")
            item = group[key]
            if isinstance(item, h5py.Group):
                walk(item, f"{prefix}{key}/")
                continue
            if item.external or item.is_virtual:
                raise BadInputError(str(path), f"{prefix}{key} is kept in another file", "save the weights again")
            shapes[f"{prefix}{key}"] = tuple(item.shape)
            if check_values:
                _checked(path, f"{prefix}{key}", item[()])

    try:
        with h5py.File(path, "r") as file:
            walk(file, "")
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, RecursionError) as error:
        raise BadInputError(str(path), f"it is no readable HDF5 file ({error})", "save the weights again") from error
    return shapes
