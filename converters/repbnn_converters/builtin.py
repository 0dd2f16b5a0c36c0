"""The built-in networks as a SOURCE: ``rep-recu-resnet20`` or ``builtin:rep-recu-resnet20``."""

from __future__ import annotations

import hashlib
from pathlib import Path

from repbnn_edge import files
from repbnn_edge.conversion.models import preprocessing_of
from repbnn_edge.conversion.source import LoadedSource, LoadOptions, Preprocessing
from repbnn_edge.models import CATALOG, Description, Entry, build, describe, entry_of, weights_file
from repbnn_edge.models.catalog import input_shape_of

_PREFIX = "builtin:"


class FrontEnd:
    """Builds a network of ``repbnn_edge.models``."""

    def accepts(self, source: str) -> bool:
        """Whether ``source`` names a built-in network, or says that it does."""
        return source.startswith(_PREFIX) or source in CATALOG

    def load(self, source: str, options: LoadOptions) -> LoadedSource:
        """Build it with the user's weights, else the package's trained ones, else seeded and calibrated ones.

        Raises:
            BadInputError: an unknown name (offers the nearest), or weights that do not fit.
            UsageError: beta, input shape, mean or std outside their range.
            UnsupportedError: beta does not divide the filters of a layer, which it names.
        """
        entry = entry_of(source.removeprefix(_PREFIX))
        model = build(entry.name, options.beta, options.input_shape, options.weights)
        description = describe(entry.name, options.beta, options.input_shape)
        shape = input_shape_of(entry, options.input_shape)
        file = weights_file(entry.name, description.beta, shape, options.weights)
        from repbnn_edge.verification.keras_reference import KerasReference

        return LoadedSource(
            kind="builtin",
            name=entry.name,
            sha256=_sha256(description, file),
            network=model,
            reference=KerasReference(model),
            beta=description.beta,
            preprocessing=_preprocessing(entry, options),
            labels=options.labels or entry.images.labels,
            warnings=[] if file else [_untrained(entry)],
        )


def _preprocessing(entry: Entry, options: LoadOptions) -> Preprocessing | None:
    """What the options say, the data set's own numbers where they say nothing."""
    images = entry.images
    filled = LoadOptions(mean=options.mean or images.mean, std=options.std or images.std)
    return preprocessing_of(filled, len(images.mean))


def _sha256(description: Description, weights: Path | None) -> str:
    """Of the definition, and of the weights file where there is one; the seeded weights follow from the definition."""
    of_weights = files.sha256_of(weights) if weights else "seeded"
    return hashlib.sha256(f"{description.canonical()}\n{of_weights}".encode()).hexdigest()


def _untrained(entry: Entry) -> str:
    return f"{entry.name} has seeded weights: good for sizes and times, not for accuracy (give --weights)"
