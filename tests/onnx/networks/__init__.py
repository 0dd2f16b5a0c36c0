"""Binary networks in PyTorch, written by us in the idioms of their authors: what ``torch.onnx.export`` will be given.

Every idiom stands here as its authors write it (straight-through residues, unfolded weight arithmetic, option-A
shortcuts), at a width and image size that a test can afford; ``width`` and ``size`` give the published networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.onnx.networks import adabin, bnext, irnet, reactnet, recu, resnet18, xnornet


@dataclass(frozen=True)
class Case:
    """A network, and what its import must find."""

    make: Callable[[], Any]
    size: int
    binary_layers: int


CASES = {
    "reactnet-a": Case(lambda: reactnet.ReActNetA(width=8, stages=(1, 2, 2)), 32, 13),
    "rep-reactnet-a": Case(lambda: reactnet.ReActNetA(width=8, stages=(1, 2, 2), rep=2), 32, 13),
    "reactnet-18": Case(lambda: resnet18.ResNet18(width=16, react=True), 64, 16),
    "bi-real-18": Case(lambda: resnet18.ResNet18(width=16, react=False), 64, 16),
    "recu-resnet-20": Case(lambda: recu.ResNet20(blocks=1), 32, 6),
    "recu-vgg-small": Case(lambda: recu.VggSmall(width=16), 32, 5),
    "ir-net-resnet-20": Case(lambda: irnet.ResNet20(blocks=1), 32, 6),
    "xnor-net": Case(lambda: xnornet.XnorNet(width=32), 48, 5),
    "adabin-resnet-20": Case(lambda: adabin.ResNet20(blocks=1), 32, 6),
    "bnext": Case(lambda: bnext.BNext(width=8), 64, 5),
}
