"""A Keras model in memory as a source."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from repbnn_edge import stack
from repbnn_edge.conversion.source import LoadedSource, LoadOptions, Preprocessing
from repbnn_edge.errors import UsageError


def source_of_model(model: Any, options: LoadOptions) -> LoadedSource:
    """Wrap a built Keras 2 model.

    Raises:
        UsageError: options that only a path or a name can have: beta, weights, input shape.
        BadInputError, UnsupportedError: as ``KerasReference``.
    """
    from repbnn_edge.verification.keras_reference import KerasReference

    if options.beta is not None or options.weights is not None or options.input_shape is not None:
        raise UsageError("convert", "a model in memory has its shape and weights", "leave them out")
    reference = KerasReference(model)
    channels = reference.input_shape[2]
    return LoadedSource(
        kind="keras",
        name=str(model.name),
        sha256=_digest(model),
        network=model,
        reference=reference,
        beta=_beta(model),
        preprocessing=_preprocessing(options, channels),
        labels=options.labels or (),
    )


def _preprocessing(options: LoadOptions, channels: int) -> Preprocessing | None:
    if options.mean is None and options.std is None:
        return None
    mean, std = options.mean or (0.0,), options.std or (1.0,)
    return Preprocessing(mean * channels if len(mean) == 1 else mean, std * channels if len(std) == 1 else std)


def _beta(model: Any) -> int | None:
    betas = {int(layer.beta) for layer in model.submodules if isinstance(getattr(layer, "beta", None), int)}
    return betas.pop() if len(betas) == 1 else (None if betas else 1)


def _digest(model: Any) -> str:
    """Of the configuration and the weights: the same for the same network, whatever file it came from."""
    digest = hashlib.sha256()
    try:
        config = json.dumps(stack.tensorflow().keras.utils.serialize_keras_object(model), sort_keys=True, default=str)
    except (TypeError, ValueError, NotImplementedError):  # a quantiser that is a plain function
        config = json.dumps([(layer.name, type(layer).__name__) for layer in model.layers])
    digest.update(config.encode())
    for variable in model.weights:
        digest.update(np.ascontiguousarray(variable).tobytes())
    return digest.hexdigest()
