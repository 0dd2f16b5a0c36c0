"""The built-in networks: names, defaults, preprocessing, labels. Needs no framework."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from repbnn_edge.datasets.known import CIFAR10, IMAGENET, Images
from repbnn_edge.errors import BadInputError, UsageError
from repbnn_edge.models import structures
from repbnn_edge.models.description import Description, Family, Sketch

DEFAULT_BETA = 2
_MAX_PIXELS = 4096 * 4096


@dataclass(frozen=True)
class Entry:
    """One built-in network.

    Attributes:
        name: as the command line takes it.
        summary: one line for people.
        images: what it looks at, which gives the default input shape.
        family: how it is binarised.
        structure: draws it.
        paper_top1: the accuracy that its paper states for beta 2, or for beta 1 where ``paper_beta`` says so.
        paper_beta: the beta of that accuracy.
    """

    name: str
    summary: str
    images: Images
    family: Family
    structure: Callable[[Sketch, int], None]
    paper_top1: float
    paper_beta: int


_REACTNET18 = partial(structures.birealnet, convolutions=(4, 4, 4, 4), reactive=True)
_BIREAL18 = partial(structures.birealnet, convolutions=(4, 4, 4, 4), reactive=False)
_BIREAL34 = partial(structures.birealnet, convolutions=(6, 8, 12, 6), reactive=False)

_ENTRIES = (
    Entry(
        "rep-adambnn-reactnet-a",
        "ReActNet-A trained as AdamBNN: the paper's ImageNet network",
        IMAGENET,
        "two-step",
        structures.reactnet_a,
        0.71342,
        2,
    ),
    Entry("rep-reactnet18", "ReActNet on ResNet-18", IMAGENET, "two-step", _REACTNET18, 0.655, 1),
    Entry(
        "rep-recu-resnet20",
        "ReCU on ResNet-20: the paper's CIFAR-10 network",
        CIFAR10,
        "recu",
        structures.resnet20,
        0.8897,
        2,
    ),
    Entry("rep-recu-resnet18", "ReCU on ResNet-18", CIFAR10, "recu", structures.resnet18_cifar, 0.928, 1),
    Entry("rep-recu-vgg-small", "ReCU on VGG-small", CIFAR10, "recu", structures.vgg_small, 0.922, 1),
    Entry("rep-birealnet18", "Bi-Real-Net on ResNet-18", IMAGENET, "two-step", _BIREAL18, 0.564, 1),
    Entry("rep-birealnet34", "Bi-Real-Net on ResNet-34", IMAGENET, "two-step", _BIREAL34, 0.622, 1),
    Entry("rep-irnet-resnet20", "IR-Net on ResNet-20", CIFAR10, "ir-net", structures.resnet20, 0.865, 1),
)

CATALOG = {entry.name: entry for entry in _ENTRIES}


def entry_of(name: str) -> Entry:
    """The built-in network of that name.

    Raises:
        BadInputError: there is none; offers the nearest.
    """
    if name in CATALOG:
        return CATALOG[name]
    typed = name.lower()
    holding = sorted((known for known in CATALOG if len(typed) >= 3 and typed in known), key=len)
    near = holding or difflib.get_close_matches(typed, CATALOG, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "see 'repbnn-edge models'"
    raise BadInputError(name, "no file and no built-in network of that name", hint)


def input_shape_of(entry: Entry, shape: tuple[int, ...] | None) -> tuple[int, int, int]:
    """(height, width, channels) for what a user gave: (h, w, c), (1, h, w, c), or None for the default.

    Raises:
        UsageError: another rank, a size below 1, another batch, other channels than RGB, more than 16.8 million pixels.
    """
    if shape is None:
        return entry.images.shape
    text = ",".join(map(str, shape))
    example = f"give for instance 1,{entry.images.size},{entry.images.size},3"
    if len(shape) not in (3, 4):
        raise UsageError("--input-shape", f"{text} has {len(shape)} dimensions, not 4", example)
    if any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in shape):
        raise UsageError("--input-shape", f"{text} holds a size that is no whole number above 0", example)
    if len(shape) == 4 and shape[0] != 1:
        raise UsageError("--input-shape", f"{text} has a batch of {shape[0]}", example)
    height, width, channels = shape[-3:]
    if channels != 3:
        raise UsageError("--input-shape", f"{text} has {channels} channels, and {entry.name} reads RGB", example)
    if math.prod((height, width)) > _MAX_PIXELS:
        raise UsageError("--input-shape", f"{text} is more than {_MAX_PIXELS} pixels", example)
    return height, width, channels


def beta_of(entry: Entry, beta: int | None) -> int:
    """The repeat factor for what a user gave; None is the paper's 2.

    Raises:
        UsageError: it is no whole number of at least 1.
    """
    if beta is None:
        return DEFAULT_BETA
    if isinstance(beta, bool) or not isinstance(beta, int) or beta < 1:
        raise UsageError("--beta", f"{beta} is no whole number of at least 1", "give 1 for the original network, or 2")
    return beta


@cache
def describe(name: str, beta: int | None = None, input_shape: tuple[int, ...] | None = None) -> Description:
    """The built-in network as data.

    Raises:
        BadInputError: unknown name.
        UsageError: beta or input shape outside their range.
        UnsupportedError: beta does not divide the filters of a layer, which it names.
    """
    entry = entry_of(name)
    sketch = Sketch(beta_of(entry, beta), entry.family, input_shape_of(entry, input_shape))
    entry.structure(sketch, entry.images.classes)
    return sketch.finish()
