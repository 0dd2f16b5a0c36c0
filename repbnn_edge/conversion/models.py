"""A Keras model in memory as a source: what files, code and callers of ``convert`` share."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from repbnn_edge import stack
from repbnn_edge.conversion.source import LoadedSource, LoadOptions, Preprocessing
from repbnn_edge.errors import UsageError
from repbnn_edge.reports import SourceKind


def source_of_model(model: Any, options: LoadOptions) -> LoadedSource:
    """Wrap a built Keras 2 model that a caller hands over.

    Raises:
        UsageError: options that only a path or a name can have: beta, weights, input shape.
        BadInputError, UnsupportedError: as ``wrap``.
    """
    if options.beta is not None or options.weights is not None or options.input_shape is not None:
        raise UsageError("convert", "a model in memory has its shape and weights", "leave them out")
    return wrap(model, kind="keras", name=str(model.name), sha256=_digest(model), options=options)


def wrap(model: Any, *, kind: SourceKind, name: str, sha256: str, options: LoadOptions) -> LoadedSource:
    """Make a source of a Keras model whose shape and weights are settled.

    Raises:
        BadInputError: NaN or infinity in the weights, by layer.
        UnsupportedError: as ``KerasReference``.
        UsageError: a mean or deviation that does not fit the input's channels.
    """
    from repbnn_edge.keras_graph import walk
    from repbnn_edge.lowering.eligibility import check_network
    from repbnn_edge.verification.keras_reference import KerasReference

    check_network(walk(model))
    reference = KerasReference(model)
    return LoadedSource(
        kind=kind,
        name=name,
        sha256=sha256,
        network=model,
        reference=reference,
        beta=beta_of(model),
        preprocessing=preprocessing_of(options, reference.input_shape[2]),
        labels=options.labels or (),
    )


def beta_of(model: Any) -> int | None:
    """The one beta of a network's RepConv layers; 1 where there are none, None where they differ."""
    betas = {int(layer.beta) for layer in model.submodules if isinstance(getattr(layer, "beta", None), int)}
    return betas.pop() if len(betas) == 1 else (None if betas else 1)


def preprocessing_of(options: LoadOptions, channels: int) -> Preprocessing | None:
    """What ``--mean`` and ``--std`` say, widened to the channels; None when neither was given.

    Raises:
        UsageError: as many numbers as neither one nor the channels, or a deviation that is not positive.
    """
    if options.mean is None and options.std is None:
        return None
    mean = _per_channel("--mean", options.mean or (0.0,), channels)
    std = _per_channel("--std", options.std or (1.0,), channels)
    if any(not value > 0 for value in std):
        raise UsageError("--std", "it must be greater than 0", "give the standard deviation of the pixels")
    return Preprocessing(mean=mean, std=std)


def _per_channel(flag: str, values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) == 1:
        return values * channels
    if len(values) != channels:
        raise UsageError(
            flag, f"it has {len(values)} values and the input {channels} channels", "give one, or one each"
        )
    return values


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
