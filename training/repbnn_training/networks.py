"""ReCU-ResNet-20 for CIFAR-10 and its Rep form, in the idiom of ReCU's authors, so that their exports import alike.

Sources: Xu et al., ReCU (ICCV 2021): standardised weights clamped at +-Q(tau), a learnable scale per filter,
Hardtanh, a shortcut around every convolution. Shi et al., RepBNN (arXiv 2207.09049): the repeat.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class SignActivation(torch.autograd.Function):
    """Sign with +1 at 0, as binary hardware has it; its gradient is 2 - 2|x| on [-1, 1] (Bi-Real-Net's)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Sign of x."""
        ctx.save_for_backward(x)
        return torch.where(x < 0, -1.0, 1.0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The piecewise linear estimate."""
        (x,) = ctx.saved_tensors
        return (2 - 2 * x.abs()).clamp(min=0) * gradient


class SignWeight(torch.autograd.Function):
    """Sign whose gradient passes straight through; the clamp before it decides where it flows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Sign of x."""
        return torch.where(x < 0, -1.0, 1.0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Identity."""
        return gradient


class ReCUConv2d(nn.Conv2d):
    """A 3x3 binary convolution with ReCU weights and RepBNN's repeat.

    (N, beta * c_in, H, W) to (N, beta * c_out, H', W'), with c_out / beta filters.

    Args:
        c_in: input channels of the plain network.
        c_out: output channels of the plain network; beta must divide it.
        stride: 1 or 2.
        beta: the repeat factor; 1 is ReCU's own layer.
        normalise: divide the activation by its deviation before the sign while training, as ReCU's code does: it
            changes the gradient, never the sign.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, beta: int, *, normalise: bool) -> None:
        if c_out % beta:
            raise ValueError(f"beta {beta} does not divide {c_out} channels")
        super().__init__(c_in * beta, c_out // beta, 3, stride, 1, bias=False)
        self.alpha = nn.Parameter(torch.rand(c_out // beta, 1, 1))
        self.register_buffer("tau", torch.tensor(1.0))
        self.copies = beta * beta
        self.normalise = normalise

    def binary_weight(self) -> Tensor:
        """The +-1 weights: sign of the standardised weights, clamped at ReCU's Q(tau)."""
        w = self.weight - self.weight.mean([1, 2, 3], keepdim=True)
        w = w / (torch.sqrt(w.var([1, 2, 3], keepdim=True) + 1e-5) / (2 * math.sqrt(2)))
        if self.training:  # the clamp moves gradients, not signs
            bound = (-w.abs().mean() * torch.log(2 - 2 * self.tau)).detach()
            w = torch.maximum(torch.minimum(w, bound), -bound)
        return SignWeight.apply(w)

    def forward(self, x: Tensor) -> Tensor:
        """Sign, binary convolution, scale, repeat."""
        if self.training and self.normalise:
            x = x / torch.sqrt(x.var([1, 2, 3], keepdim=True) + 1e-5)
        weight = self.binary_weight().to(x.dtype)
        y = functional.conv2d(SignActivation.apply(x), weight, None, self.stride, self.padding)
        y = y * self.alpha.to(y.dtype)
        return y.repeat(1, self.copies, 1, 1) if self.copies > 1 else y


class BasicBlock(nn.Module):
    """Two binary convolutions, each with its batch norm, shortcut and Hardtanh; option-A shortcut at stride 2."""

    def __init__(self, c_in: int, c_out: int, stride: int, beta: int, *, normalise: bool) -> None:
        super().__init__()
        self.conv1 = ReCUConv2d(c_in, c_out, stride, beta, normalise=normalise)
        self.bn1 = nn.BatchNorm2d(c_out * beta)
        self.conv2 = ReCUConv2d(c_out, c_out, 1, beta, normalise=normalise)
        self.bn2 = nn.BatchNorm2d(c_out * beta)
        self.stride = stride
        self.widen = (c_out - c_in) * beta // 2

    def forward(self, x: Tensor) -> Tensor:
        """(N, beta * c_in, H, W) to (N, beta * c_out, H / stride, W / stride)."""
        shortcut = x
        if self.stride == 2:
            shortcut = functional.pad(functional.avg_pool2d(x, 2), (0, 0, 0, 0, self.widen, self.widen))
        x = functional.hardtanh(self.bn1(self.conv1(x)) + shortcut)
        return functional.hardtanh(self.bn2(self.conv2(x)) + x)


class ReCUResNet20(nn.Module):
    """ReCU-ResNet-20; (N, 3, 32, 32) standardised images to (N, classes) logits.

    Args:
        beta: RepBNN's repeat factor; 1 is the original network.
        widths: channels of the three stages in the plain network.
        classes: number of classes.
        normalise: see ReCUConv2d.
    """

    def __init__(
        self,
        beta: int = 2,
        widths: tuple[int, int, int] = (16, 32, 64),
        classes: int = 10,
        *,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.beta = beta
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        blocks: list[nn.Module] = []
        c_in = widths[0]
        for stage, c_out in enumerate(widths):
            for position in range(3):
                stride = 2 if stage and position == 0 else 1
                blocks.append(BasicBlock(c_in, c_out, stride, beta, normalise=normalise))
                c_in = c_out
        self.blocks = nn.Sequential(*blocks)
        self.bn2 = nn.BatchNorm1d(c_in * beta)
        self.linear = nn.Linear(c_in * beta, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch."""
        x = functional.hardtanh(self.bn1(self.conv1(x)))
        if self.beta > 1:
            x = x.repeat(1, self.beta, 1, 1)
        x = self.blocks(x).mean((2, 3))
        return self.linear(self.bn2(x))

    def set_tau(self, progress: float, low: float = 0.85, high: float = 0.99) -> None:
        """ReCU's schedule: tau grows exponentially from ``low`` to ``high`` as progress goes from 0 to 1."""
        slope = (high - low) / (math.e - 1)
        for module in self.modules():
            if isinstance(module, ReCUConv2d):
                module.tau.fill_(low - slope + slope * math.exp(progress))

    @torch.no_grad()
    def start_as_authors(self) -> None:
        """He's normal start of every convolution, as in ReCU's code; PyTorch's own is uniform."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    @torch.no_grad()
    def spread_biases(self, width: float) -> None:
        """Start the blocks' batch norms with biases within +-``width``, for a short training.

        The copies of a repeat are equal at first, and only their constants can make them differ: theirs are spread
        evenly, so that the signs of the copies are a thermometer of one value from the first step on. Without copies
        they are drawn uniformly.
        """
        for module in self.modules():
            if isinstance(module, BasicBlock):
                for norm, conv in ((module.bn1, module.conv1), (module.bn2, module.conv2)):
                    if conv.copies > 1:
                        steps = torch.linspace(-width, width, conv.copies, device=norm.bias.device)
                        norm.bias.copy_(steps.repeat_interleave(conv.out_channels))
                    else:
                        norm.bias.uniform_(-width, width)
