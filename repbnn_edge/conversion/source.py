"""What a front end hands to the core: a network to lower, a reference to prove it against, and its facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from repbnn_edge.reports import SourceKind
from repbnn_edge.verification.reference import Reference


@dataclass(frozen=True)
class Preprocessing:
    """How a pixel becomes an input: ``(pixel - mean) / std`` per channel, pixels 0..255, RGB, channels last."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class LoadOptions:
    """The source options of ``convert`` and ``verify``; None is "as the source says"."""

    beta: int | None = None
    weights: Path | None = None
    input_shape: tuple[int, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    labels: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        *,
        beta: int | None,
        weights: str | Path | None,
        input_shape: Sequence[int] | None,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        labels: Sequence[str] | None,
    ) -> LoadOptions:
        """The options as callers of the Python functions write them: any sequence, any kind of path."""
        return cls(
            beta=beta,
            weights=None if weights is None else Path(weights),
            input_shape=None if input_shape is None else tuple(input_shape),
            mean=None if mean is None else tuple(mean),
            std=None if std is None else tuple(std),
            labels=None if labels is None else tuple(labels),
        )


@dataclass
class LoadedSource:
    """A source, loaded and checked.

    Attributes:
        kind: which front end.
        name: the source as its owner calls it.
        sha256: of the file, folder or built-in definition.
        network: a Keras model (inference form, batch size 1 or None).
        reference: runs the source by its own framework.
        beta: the repeat factor, None where it is not one number.
        preprocessing: known from the source or the options; None where nobody said.
        labels: class names, if known.
        warnings: what the user should know.
    """

    kind: SourceKind
    name: str
    sha256: str
    network: Any
    reference: Reference
    beta: int | None = None
    preprocessing: Preprocessing | None = None
    labels: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)


class FrontEnd(Protocol):
    """One kind of SOURCE; registered under the entry-point group ``repbnn_edge.front_ends``."""

    def accepts(self, source: str) -> bool:
        """Whether this front end should load ``source`` (a path or a name); must be quick and import nothing."""

    def load(self, source: str, options: LoadOptions) -> LoadedSource:
        """Load it.

        Raises:
            BadInputError: missing, broken or malicious.
            UnsupportedError: understood, but without an exact lowering.
        """
