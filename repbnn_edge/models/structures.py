"""The structures of the built-in networks, in the original widths; ``Sketch`` applies beta.

Each says which public code of its authors it follows.
"""

from __future__ import annotations

from collections.abc import Sequence

from repbnn_edge.models.description import Node, Sketch

_REACTNET_WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


def reactnet_a(s: Sketch, classes: int) -> None:
    """ReActNet-A: MobileNetV1's widths, 3x3 and 1x1 binary convolutions, each with a shortcut.

    Follows imfinethanks/Rep_AdamBNN, step2/reactnet.py (beta 2) and liuzechun/AdamBNN (beta 1).
    """
    x = s.batch_norm(s.stem_convolution(s.image, "stem_conv", 32, 3, 2), "stem_bn")
    x = s.repeat(x, "stem_repeat")
    width = 32
    for index, wider in enumerate(_REACTNET_WIDTHS, start=1):
        stride = 2 if wider != width and wider != 64 else 1
        x = _reactnet_block(s, x, f"block{index:02d}", width, wider, stride)
        width = wider
    _pooled_dense(s, x, classes)


def _reactnet_block(s: Sketch, x: Node, name: str, width: int, wider: int, stride: int) -> Node:
    y = s.shift(x, f"{name}_shift1")
    y = s.rep_convolution(y, f"{name}_conv3x3", width, 3, stride, binary=True)
    y = s.batch_norm(y, f"{name}_bn1")
    shortcut = s.average_pool(x, f"{name}_pool", 2, 2) if stride == 2 else x
    x = s.rprelu(s.add(shortcut, y, f"{name}_add1"), f"{name}_rprelu1")
    y = s.shift(x, f"{name}_shift2")
    if wider == width:
        y = s.rep_convolution(y, f"{name}_conv1x1", width, 1, binary=True)
        x = s.add(x, s.batch_norm(y, f"{name}_bn2"), f"{name}_add2")
    else:
        halves = []
        for half in ("a", "b"):
            z = s.rep_convolution(y, f"{name}_conv1x1{half}", width, 1, binary=True)
            halves.append(s.add(x, s.batch_norm(z, f"{name}_bn2{half}"), f"{name}_add2{half}"))
        x = s.concat(halves, f"{name}_concat")
    return s.rprelu(x, f"{name}_rprelu2")


def birealnet(s: Sketch, classes: int, *, convolutions: Sequence[int], reactive: bool) -> None:
    """Bi-Real-Net: a shortcut around each 3x3 binary convolution of a ResNet.

    Follows liuzechun/Bi-Real-net, pytorch_implementation/BiReal18_34/birealnet.py; with ``reactive`` the ResNet of
    liuzechun/ReActNet, resnet/2_step2/birealnet.py: a shift before each sign and an RPReLU after each sum.
    """
    x = s.batch_norm(s.stem_convolution(s.image, "stem_conv", 64, 7, 2), "stem_bn")
    x = s.repeat(s.max_pool(x, "stem_pool", 3, 2, pad=1), "stem_repeat")
    width = 64
    for stage, count in enumerate(convolutions, start=1):
        wider = 64 * 2 ** (stage - 1)
        for index in range(1, count + 1):
            x = _bireal_layer(s, x, f"stage{stage}_layer{index}", wider, 2 if wider != width else 1, reactive)
            width = wider
    _pooled_dense(s, x, classes)


def _bireal_layer(s: Sketch, x: Node, name: str, width: int, stride: int, reactive: bool) -> Node:
    y = s.shift(x, f"{name}_shift") if reactive else x
    y = s.batch_norm(s.rep_convolution(y, f"{name}_conv", width, 3, stride, binary=True), f"{name}_bn")
    if stride == 2:
        x = s.average_pool(x, f"{name}_shortcut_pool", 2, 2)
        x = s.rep_convolution(x, f"{name}_shortcut_conv", width, 1, binary=False)
        x = s.batch_norm(x, f"{name}_shortcut_bn")
    x = s.add(x, y, f"{name}_add")
    return s.rprelu(x, f"{name}_rprelu") if reactive else x


def resnet20(s: Sketch, classes: int) -> None:
    """ResNet-20 for CIFAR with binary blocks, a shortcut around each convolution, hardtanh.

    Follows z-hXu/ReCU, cifar/models_cifar/resnet.py, and htqin/IR-Net, CIFAR-10/ResNet20/1w1a/resnet.py, which differ
    in the option-A shortcut alone: ReCU averages 2x2 pixels, IR-Net takes every second one.
    """
    x = s.batch_norm(s.stem_convolution(s.image, "stem_conv", 16, 3, 1), "stem_bn")
    x = s.repeat(s.hard_tanh(x, "stem_hardtanh"), "stem_repeat")
    width = 16
    for stage, wider in enumerate((16, 32, 64), start=1):
        for index in (1, 2, 3):
            name = f"stage{stage}_block{index}"
            for half in (1, 2):
                stride = 2 if wider != width else 1
                y = s.rep_convolution(x, f"{name}_conv{half}", wider, 3, stride, binary=True)
                y = s.batch_norm(y, f"{name}_bn{half}")
                x = s.add(y, _option_a(s, x, f"{name}_shortcut", width, wider), f"{name}_add{half}")
                x = s.hard_tanh(x, f"{name}_hardtanh{half}")
                width = wider
    _normalised_dense(s, x, classes)


def resnet18_cifar(s: Sketch, classes: int) -> None:
    """ResNet-18 for CIFAR with binary blocks and a shortcut around each pair of convolutions.

    Follows z-hXu/ReCU, cifar/models_cifar/resnet2.py.
    """
    x = s.batch_norm(s.stem_convolution(s.image, "stem_conv", 64, 3, 1), "stem_bn")
    x = s.repeat(x, "stem_repeat")
    width = 64
    for stage, wider in enumerate((64, 128, 256, 512), start=1):
        for index in (1, 2):
            name = f"stage{stage}_block{index}"
            y = s.rep_convolution(x, f"{name}_conv1", wider, 3, 2 if wider != width else 1, binary=True)
            y = s.hard_tanh(s.batch_norm(y, f"{name}_bn1"), f"{name}_hardtanh1")
            y = s.batch_norm(s.rep_convolution(y, f"{name}_conv2", wider, 3, binary=True), f"{name}_bn2")
            x = s.add(y, _option_a(s, x, f"{name}_shortcut", width, wider), f"{name}_add")
            x = s.hard_tanh(x, f"{name}_hardtanh2")
            width = wider
    _normalised_dense(s, x, classes)


def vgg_small(s: Sketch, classes: int) -> None:
    """VGG-small for CIFAR: six 3x3 convolutions, the first in full precision, and a dense layer.

    Follows z-hXu/ReCU, cifar/models_cifar/vgg.py.
    """
    x = s.batch_norm(s.stem_convolution(s.image, "stem_conv", 128, 3, 1), "stem_bn")
    x = s.repeat(s.hard_tanh(x, "stem_hardtanh"), "stem_repeat")
    for index, (filters, pooled) in enumerate([(128, True), (256, False), (256, True), (512, False), (512, True)], 1):
        x = s.rep_convolution(x, f"conv{index}", filters, 3, binary=True)
        x = s.max_pool(x, f"pool{index}", 2, 2) if pooled else x
        x = s.hard_tanh(s.batch_norm(x, f"bn{index}"), f"hardtanh{index}")
    s.dense(s.flatten(x, "flatten"), "head_dense", classes)


def _option_a(s: Sketch, x: Node, name: str, width: int, wider: int) -> Node:
    """The shortcut without weights: pixels thinned out, channels of zeros on both sides."""
    if wider == width:
        return x
    x = s.average_pool(x, f"{name}_pool", 1 if s.family == "ir-net" else 2, 2)
    return s.pad_channels(x, f"{name}_pad", (wider - width) // 2)


def _pooled_dense(s: Sketch, x: Node, classes: int) -> None:
    s.dense(s.global_pool(x, "head_pool"), "head_dense", classes)


def _normalised_dense(s: Sketch, x: Node, classes: int) -> None:
    s.dense(s.batch_norm(s.global_pool(x, "head_pool"), "head_bn"), "head_dense", classes)
