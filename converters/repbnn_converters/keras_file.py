"""Front end of ``.keras`` and ``.h5`` files: an allow-list checks the configuration, then Keras loads a copy."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from repbnn_converters.hdf5 import check_hdf5, first_line
from repbnn_converters.keras_allow_list import INITIALIZERS, QUANTIZERS, check_config
from repbnn_converters.keras_source import source_of
from repbnn_edge import stack
from repbnn_edge.conversion.source import LoadedSource, LoadOptions
from repbnn_edge.errors import BadInputError, RepbnnError
from repbnn_edge.files import read_input, sha256_of

_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
_MAX_UNPACKED = 4 << 30
_MAX_CONFIG = 64 << 20
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


class FrontEnd:
    """Loads a Keras 2 model from a ``.keras`` archive or a whole-model ``.h5`` file."""

    def accepts(self, source: str) -> bool:
        """True for an existing path that ends in .keras, .h5 or .hdf5."""
        return source.lower().endswith((".keras", ".h5", ".hdf5")) and Path(source).exists()

    def load(self, source: str, options: LoadOptions) -> LoadedSource:
        """Check and load the file; see ``FrontEnd.load`` of the core for the errors."""
        path = Path(source)
        data = read_input(path)
        model = load_keras(data, str(path))
        return source_of(model, kind="keras", name=path.name, sha256=sha256_of(path), options=options)


def load_keras(data: bytes, where: str) -> Any:
    """Load a Keras model from the bytes of a ``.keras`` or ``.h5`` file.

    Only a private copy reaches Keras' loader, so the file cannot change between the check and the loading.

    Raises:
        BadInputError: broken, of Keras 3, weights only, or holding anything that is not on the allow-list.
    """
    stack.tensorflow()
    stack.larq()
    import repbnn_edge.layers as layers

    ours = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)}
    if data.startswith(_HDF5_MAGIC):
        checked, suffix = _checked_h5(data, where, ours), ".h5"
    elif zipfile.is_zipfile(io.BytesIO(data)):
        checked, suffix = _checked_archive(data, where, ours), ".keras"
    else:
        raise BadInputError(where, "it is neither a .keras archive nor an HDF5 file", "save the model again")
    return _load_copy(checked, suffix, where)


def _load_copy(data: bytes, suffix: str, where: str) -> Any:
    tf = stack.tensorflow()
    with tempfile.TemporaryDirectory(prefix="repbnn-") as folder:
        copy = Path(folder) / f"model{suffix}"
        copy.write_bytes(data)
        try:
            arguments = {"safe_mode": True} if suffix == ".keras" else {}
            return tf.keras.models.load_model(str(copy), compile=False, **arguments)
        except RepbnnError:
            raise
        except Exception as error:
            raise BadInputError(
                where, f"Keras cannot load it ({first_line(error)})", "convert from the code: file.py:function"
            ) from error


def _checked_archive(data: bytes, where: str, ours: set[str]) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if len(members) != len(archive.infolist()) or set(members) - _MEMBERS or "config.json" not in members:
                extra = sorted(set(members) - _MEMBERS)
                raise BadInputError(
                    where,
                    f"it is no .keras archive of a plain network (it holds {', '.join(extra[:3]) or 'no config.json'})",
                    "save it with model.save('model.keras')",
                )
            if sum(info.file_size for info in members.values()) > _MAX_UNPACKED:
                raise BadInputError(where, "it unpacks to more than 4 GiB", "save it again")
            if members["config.json"].file_size > _MAX_CONFIG:
                raise BadInputError(where, "its configuration is larger than 64 MiB", "save it again")
            contents = {name: archive.read(name) for name in members}
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BadInputError(where, f"it is a broken archive ({first_line(error)})", "save it again") from error
    metadata = _parse(contents.get("metadata.json", b"{}"), where)
    if str(metadata.get("keras_version", "2")).startswith("3"):
        raise keras_3(where)
    config = _without_foreign_initializers(_parse(contents["config.json"], where))
    check_config(config, where, ours=ours)
    if "model.weights.h5" not in contents:
        raise BadInputError(where, "it holds no weights", "save it with model.save('model.keras')")
    check_hdf5(contents["model.weights.h5"], where)
    contents["config.json"] = json.dumps(_with_named_quantizers(config)).encode()
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return copy.getvalue()


def _checked_h5(data: bytes, where: str, ours: set[str]) -> bytes:
    check_hdf5(data, where)
    import h5py

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            raw, version = file.attrs.get("model_config"), str(file.attrs.get("keras_version", "2"))
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise BadInputError(where, f"it is a broken HDF5 file ({first_line(error)})", "save it again") from error
    if raw is None:
        raise BadInputError(
            where, "it holds weights but no network", "name the network as SOURCE and this file with --weights"
        )
    if version.startswith("3"):
        raise keras_3(where)
    config = _parse(raw if isinstance(raw, bytes) else str(raw).encode("utf-8", "surrogateescape"), where)
    check_config(config, where, ours=ours)
    if _with_named_quantizers(config) != config:
        raise BadInputError(
            where, "its quantisers are functions, which an .h5 file cannot bring back", "save it as .keras"
        )
    return data


def keras_3(where: str) -> BadInputError:
    """The error for a file of Keras 3."""
    return BadInputError(
        where, "Keras 3 saved it, and binary layers live in Keras 2", "set TF_USE_LEGACY_KERAS=1 and save it again"
    )


def _with_named_quantizers(value: Any) -> Any:
    """Write quantiser functions by their name, which larq looks up in its own list: ``.keras`` cannot restore them."""
    if isinstance(value, dict):
        if value.get("class_name") == "function" and value.get("config") in QUANTIZERS:
            return value["config"]
        return {key: _with_named_quantizers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_named_quantizers(inner) for inner in value]
    return value


def _without_foreign_initializers(value: Any) -> Any:
    """Zeros for initialisers that are not Keras' own (QuickNet's blur pool has one): the file brings the weights."""
    if isinstance(value, dict):
        return {key: _initializer(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_foreign_initializers(inner) for inner in value]
    return value


def _initializer(key: str, value: Any) -> Any:
    if key.endswith("_initializer") and isinstance(value, dict) and value.get("class_name") not in INITIALIZERS:
        return "zeros"
    return _without_foreign_initializers(value)


def _parse(raw: bytes, where: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadInputError(where, "its configuration is no JSON", "save it again") from error
