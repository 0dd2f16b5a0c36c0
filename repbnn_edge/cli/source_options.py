"""The source options that ``convert`` and ``verify`` share, and how their text becomes values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from repbnn_edge.errors import BadInputError, UsageError
from repbnn_edge.files import read_input

_LABELS_LIMIT = 16 << 20
_T = TypeVar("_T")

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A .keras, .h5 or .onnx file, a SavedModel folder, a built-in name, or file.py:function.",
        show_default=False,
    ),
]
Beta = Annotated[int | None, typer.Option("--beta", metavar="N", help="Repeat factor of a built-in network.")]
Weights = Annotated[
    Path | None, typer.Option("--weights", metavar="PATH", help="Weights; 'seeded': none that were trained.")
]
InputShape = Annotated[
    str | None, typer.Option("--input-shape", metavar="1,H,W,C", help="Input shape, where the source leaves it open.")
]
Mean = Annotated[
    str | None,
    typer.Option("--mean", metavar="M[,M,M]", help="An input is (pixel - mean) / std; pixels 0..255. One or one each."),
]
Std = Annotated[str | None, typer.Option("--std", metavar="S[,S,S]", help="See --mean.")]
Labels = Annotated[Path | None, typer.Option("--labels", metavar="FILE", help="Class names, one a line.")]


def numbers(flag: str, text: str | None) -> tuple[float, ...] | None:
    """``"0.5,1"`` as floats.

    Raises:
        UsageError: it holds something else.
    """
    return _split(flag, text, float, "numbers such as 123.7,116.3,103.5")


def shape(flag: str, text: str | None) -> tuple[int, ...] | None:
    """``"1,224,224,3"`` or ``"1x224x224x3"`` as whole numbers.

    Raises:
        UsageError: it holds something else.
    """
    return _split(flag, None if text is None else text.replace("x", ","), int, "a shape such as 1,224,224,3")


def labels(path: Path | None) -> tuple[str, ...] | None:
    """The lines of a label file; an empty last line is none.

    Raises:
        BadInputError: missing, not UTF-8, or empty.
    """
    if path is None:
        return None
    try:
        lines = read_input(path, limit=_LABELS_LIMIT).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadInputError(str(path), "it is no UTF-8 text", "give one class name a line") from error
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise BadInputError(str(path), "it holds no class name", "give one class name a line")
    return tuple(line.strip() for line in lines)


def _split(flag: str, text: str | None, kind: Callable[[str], _T], example: str) -> tuple[_T, ...] | None:
    if text is None:
        return None
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(flag, f"{text!r} cannot be read", f"give {example}") from error
