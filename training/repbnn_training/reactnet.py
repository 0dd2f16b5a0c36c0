"""Rep-AdamBNN-ReActNet-A for ImageNet, in the idiom whose export ``repbnn-edge convert`` takes.

Structure: liuzechun/ReActNet, mobilenet; its Rep form: imfinethanks/Rep_AdamBNN, step2. The network of the built-in
``rep-adambnn-reactnet-a``. Two steps of training: binary activations and real weights first, then both binary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from repbnn_training.networks import SignActivation, SignWeight

WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


class TwoStepConv2d(nn.Conv2d):
    """RepConv whose weights are real in step 1 and mean|w| * sign(w) per filter in step 2; it reads the sign of a map.

    (N, beta * c_in, H, W) to (N, beta * c_out, H', W'), with c_out / beta filters.
    """

    def __init__(self, c_in: int, c_out: int, size: int, stride: int, beta: int, step: int) -> None:
        if c_out % beta:
            raise ValueError(f"beta {beta} does not divide {c_out} channels")
        super().__init__(c_in * beta, c_out // beta, size, stride, size // 2, bias=False)
        nn.init.uniform_(self.weight, -0.001, 0.001)
        self.copies, self.step = beta * beta, step

    def forward(self, x: Tensor) -> Tensor:
        """Sign, convolution, repeat."""
        weight = self.weight
        if self.step == 2:
            scale = weight.abs().mean((1, 2, 3), keepdim=True).detach()
            weight = scale * SignWeight.apply(weight.clamp(-1, 1))
        y = functional.conv2d(SignActivation.apply(x), weight.to(x.dtype), None, self.stride, self.padding)
        return y.repeat(1, self.copies, 1, 1) if self.copies > 1 else y


class Shift(nn.Module):
    """A learnable bias per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x + bias."""
        return x + self.bias


def rprelu(channels: int) -> nn.Sequential:
    """ReActNet's RPReLU: shift, PReLU with a slope per channel, shift."""
    return nn.Sequential(Shift(channels), nn.PReLU(channels), Shift(channels))


class Block(nn.Module):
    """3x3 and 1x1 binary convolutions, a shortcut around each; where channels double, two 1x1 side by side."""

    def __init__(self, c_in: int, c_out: int, stride: int, beta: int, step: int) -> None:
        super().__init__()
        self.stride = stride
        self.shift1, self.shift2 = Shift(c_in * beta), Shift(c_in * beta)
        self.conv3x3, self.bn1 = TwoStepConv2d(c_in, c_in, 3, stride, beta, step), nn.BatchNorm2d(c_in * beta)
        branches = 1 if c_in == c_out else 2
        self.conv1x1 = nn.ModuleList(TwoStepConv2d(c_in, c_in, 1, 1, beta, step) for _ in range(branches))
        self.bn2 = nn.ModuleList(nn.BatchNorm2d(c_in * beta) for _ in range(branches))
        self.act1, self.act2 = rprelu(c_in * beta), rprelu(c_out * beta)

    def forward(self, x: Tensor) -> Tensor:
        """(N, beta * c_in, H, W) to (N, beta * c_out, H / stride, W / stride)."""
        y = self.bn1(self.conv3x3(self.shift1(x)))
        x = self.act1(y + (functional.avg_pool2d(x, 2) if self.stride == 2 else x))
        y = self.shift2(x)
        parts = [norm(conv(y)) + x for conv, norm in zip(self.conv1x1, self.bn2, strict=True)]
        return self.act2(parts[0] if len(parts) == 1 else torch.cat(parts, 1))


class ReActNetA(nn.Module):
    """(N, 3, H, W) images to (N, classes) logits.

    Args:
        beta: RepBNN's repeat factor; 1 is ReActNet-A.
        step: 1 or 2, see the module.
        classes: number of classes.
        divide: narrows every width by this, to try things out.
    """

    def __init__(self, beta: int = 2, step: int = 2, classes: int = 1000, divide: int = 1) -> None:
        super().__init__()
        self.beta = beta
        c_in = 32 // divide
        self.stem = nn.Sequential(nn.Conv2d(3, c_in, 3, 2, 1, bias=False), nn.BatchNorm2d(c_in))
        blocks = []
        for width in WIDTHS:
            c_out = width // divide
            stride = 2 if c_out != c_in and width != WIDTHS[0] else 1
            blocks.append(Block(c_in, c_out, stride, beta, step))
            c_in = c_out
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(c_in * beta, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch."""
        x = self.stem(x)
        if self.beta > 1:
            x = x.repeat(1, self.beta, 1, 1)
        return self.linear(self.blocks(x).mean((2, 3)))
