"""Front end of SavedModel folders: an allow-list, TensorFlow's own loader (never Keras'), and our graph import.

Keras' loader would execute a Lambda's bytecode; TensorFlow's reads the graph alone, so what a Lambda traced to is
imported and the Lambda itself is never touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from repbnn_converters.keras_source import check_input_shape, source_of
from repbnn_converters.tf_graph.allow_list import check_file, check_signature
from repbnn_converters.tf_graph.frozen import FrozenGraph
from repbnn_converters.tf_graph.network import Importer
from repbnn_edge import stack
from repbnn_edge.conversion.source import LoadedSource, LoadOptions
from repbnn_edge.errors import BadInputError, RepbnnError, VerificationError
from repbnn_edge.files import read_input, sha256_of

_TOLERANCE = 1e-4
_MAX_GRAPH = 1 << 30


class FrontEnd:
    """Loads the serving signature of a TensorFlow 2 SavedModel."""

    def accepts(self, source: str) -> bool:
        """True for a folder; one without saved_model.pb is refused by ``load`` with a sentence."""
        return Path(source).is_dir()

    def load(self, source: str, options: LoadOptions) -> LoadedSource:
        """Check, load and import the folder; see ``FrontEnd.load`` of the core for the errors."""
        folder = Path(source)
        if not (folder / "saved_model.pb").is_file():
            raise BadInputError(str(folder), "it is a folder without a saved_model.pb", "name a file or a SavedModel")
        _check(folder)
        graph = _freeze(folder, options.input_shape)
        model = Importer(graph).build()
        _prove(graph, model, str(folder))
        rest = LoadOptions(beta=options.beta, mean=options.mean, std=options.std, labels=options.labels)
        return source_of(model, kind="savedmodel", name=folder.name, sha256=sha256_of(folder), options=rest)


def frozen(folder: Path) -> FrozenGraph:
    """The serving signature of a SavedModel, checked against the allow-list before anything of it runs.

    Raises:
        BadInputError: broken, or with operations that are not run from files.
    """
    _check(folder)
    return _freeze(folder, None)


def _check(folder: Path) -> None:
    for item in folder.rglob("*"):
        if item.is_symlink():
            raise BadInputError(str(folder), f"{item.name} is a symbolic link", "copy the file itself")
    data = read_input(folder / "saved_model.pb", limit=_MAX_GRAPH)
    stack.tensorflow()
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    message = saved_model_pb2.SavedModel()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise BadInputError(str(folder), "its saved_model.pb is broken", "export it again") from error
    if len(message.meta_graphs) != 1 or not message.meta_graphs[0].HasField("object_graph_def"):
        raise BadInputError(str(folder), "it is not of TensorFlow 2", "export it with tf.saved_model.save")
    check_file(message.meta_graphs[0], str(folder))


def _freeze(folder: Path, shape: tuple[int, ...] | None) -> FrozenGraph:
    tf = stack.tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        loaded = tf.saved_model.load(str(folder))
        signature = loaded.signatures["serving_default"]
        inputs = list(signature.structured_input_signature[1].items())
        if len(inputs) != 1 or len(signature.structured_outputs) != 1:
            raise BadInputError(str(folder), "its signature has several inputs or outputs", "give it one of each")
        name, spec = inputs[0]
        fixed = _fixed_shape(tuple(spec.shape), shape, str(folder))
        output = next(iter(signature.structured_outputs))
        concrete = tf.function(lambda x: signature(**{name: x})[output]).get_concrete_function(
            tf.TensorSpec(fixed, tf.float32, name="input")
        )
        frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    except RepbnnError:
        raise
    except Exception as error:
        line = next((text for text in str(error).splitlines() if text.strip()), type(error).__name__)
        raise BadInputError(str(folder), f"TensorFlow cannot load it ({line[:160]})", "export it again") from error
    check_signature(frozen.graph.as_graph_def().node, str(folder))
    return FrozenGraph(frozen, fixed, str(folder))


def _fixed_shape(have: tuple[int | None, ...], wanted: tuple[int, ...] | None, where: str) -> tuple[int, ...]:
    if wanted is not None:
        check_input_shape(wanted)
        wanted = wanted if len(wanted) == 4 else (1, *wanted)
    rest = have[1:]
    if wanted is None and None in rest:
        raise BadInputError(where, "its input shape is open", "give one with --input-shape 1,224,224,3")
    if wanted is not None and (
        len(have) != 4 or any(h not in (None, w) for h, w in zip(rest, wanted[1:], strict=True))
    ):
        raise BadInputError("--input-shape", f"the SavedModel was built for {have}", "leave it out")
    return (1, *(int(size) for size in (wanted[1:] if wanted else rest) if size is not None))


def _prove(graph: FrozenGraph, model: Any, where: str) -> None:
    """The imported network computes what TensorFlow computes, on one random input, before anything is built on it.

    Both run the same operations on the same numbers, so they agree to rounding; a sign that flips at a tie would
    need a map value within that rounding of zero, so a few inputs are tried before the import is called wrong.
    """
    worst = np.inf
    for seed in range(3):
        batch = np.random.default_rng(seed).standard_normal(graph.input_shape).astype(np.float32)
        expected = graph.run(batch)[graph.output]
        got = model(batch, training=False).numpy()
        worst = min(worst, float(np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-12)))
        if worst <= _TOLERANCE:
            return
    raise VerificationError(where, f"the imported network differs by {worst:.1e} from the SavedModel", "report it")
