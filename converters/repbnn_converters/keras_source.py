"""From a Keras model in memory to a ``LoadedSource``: the part that files, code and built-ins share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from repbnn_converters.hdf5 import check_hdf5, first_line
from repbnn_edge import stack
from repbnn_edge.conversion.models import wrap
from repbnn_edge.conversion.source import LoadedSource, LoadOptions
from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError
from repbnn_edge.files import read_input
from repbnn_edge.reports import SourceKind

_MAX_INPUT = 10**8


def source_of(model: Any, *, kind: SourceKind, name: str, sha256: str, options: LoadOptions) -> LoadedSource:
    """Wrap a Keras model, with the source options applied.

    Raises:
        UnsupportedError: a subclassed model, several inputs or outputs.
        BadInputError: an input shape or weights file that does not fit.
        UsageError: ``--beta``, which only built-in networks take.
    """
    if options.beta is not None:
        raise UsageError(
            "--beta",
            f"{name} has its shapes already",
            f"make the Rep form with: repbnn-edge transform --beta {options.beta}",
        )
    _check_model(model, name)
    model = _with_input_shape(model, options.input_shape, name)
    if options.weights is not None:
        _load_weights(model, options.weights)
    return wrap(model, kind=kind, name=name, sha256=sha256, options=options)


def _check_model(model: Any, name: str) -> None:
    tf = stack.tensorflow()
    if not isinstance(model, tf.keras.Model):
        raise BadInputError(name, f"it gave {type(model).__name__}, not a Keras model", "return a tf.keras.Model")
    if not isinstance(model, tf.keras.Sequential) and not getattr(model, "_is_graph_network", False):
        raise UnsupportedError(name, "a subclassed model hides its layers", "build it with the functional API")
    if not model.built:
        raise BadInputError(name, "its input shape is not known", "start it with tf.keras.Input")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedError(name, f"{len(model.inputs)} inputs, {len(model.outputs)} outputs", "give it one of each")


def _with_input_shape(model: Any, wanted: tuple[int, ...] | None, name: str) -> Any:
    shape = tuple(model.input_shape)
    if wanted is not None:
        check_input_shape(wanted)
        rest = wanted if len(wanted) == 4 else (1, *wanted)
        if len(shape) == 4 and all(have in (None, want) for have, want in zip(shape[1:], rest[1:], strict=True)):
            return _rebuilt(model, rest) if None in shape[1:] else model
        raise BadInputError(
            "--input-shape", f"{name} was built for {_text(shape)}", "leave it out, or build the network for that shape"
        )
    if None in shape[1:]:
        raise BadInputError(name, f"its input shape {_text(shape)} is open", "give one with --input-shape 1,224,224,3")
    return model


def check_input_shape(shape: tuple[int, ...]) -> None:
    """Raise UsageError unless a shape is 1,H,W,C or H,W,C with positive sizes and at most 10^8 elements."""
    elements = 1
    for size in shape:
        elements *= size
    text = ",".join(map(str, shape))
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[0] != 1):
        raise UsageError("--input-shape", f"{text} is not 1,height,width,channels", "give, for instance, 1,224,224,3")
    if any(size < 1 for size in shape):
        raise UsageError("--input-shape", f"{text} has a size below 1", "give sizes of at least 1")
    if elements > _MAX_INPUT:
        raise UsageError("--input-shape", f"{text} has {elements} elements", "give at most 10^8")


def _rebuilt(model: Any, shape: tuple[int, ...]) -> Any:
    tf = stack.tensorflow()
    inputs = tf.keras.Input(shape[1:], batch_size=1, name=model.inputs[0].name.split(":")[0])
    clone = tf.keras.models.clone_model(model, input_tensors=inputs)
    clone.set_weights(model.get_weights())
    return clone


def _load_weights(model: Any, path: Path) -> None:
    data = read_input(path)
    if not data.startswith(b"\x89HDF\r\n\x1a\n"):
        raise BadInputError(str(path), "it is no Keras weights file", "save it with model.save_weights('x.weights.h5')")
    check_hdf5(data, str(path))
    with tempfile.TemporaryDirectory(prefix="repbnn-") as folder:
        copy = Path(folder) / ("copy.weights.h5" if path.name.endswith(".weights.h5") else "copy.h5")
        copy.write_bytes(data)
        try:
            model.load_weights(str(copy))
        except (ValueError, KeyError, OSError, TypeError, RuntimeError) as error:
            raise BadInputError(
                str(path),
                f"its weights do not fit this network ({first_line(error)})",
                "give the weights of this network",
            ) from error


def _text(shape: tuple[Any, ...]) -> str:
    return ",".join("?" if size is None else str(size) for size in shape)
