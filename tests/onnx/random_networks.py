"""Random small binary networks in PyTorch, for the property that every one of them imports exactly."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import nn

SIGNS = ("sign", "detach", "where", "compare", "hard sigmoid", "clip", "shifted")
WEIGHTS = ("sign", "mean", "residue", "centred", "learned", "power", "adabin")


class BinaryConv(nn.Module):
    """One binary convolution with a random way to sign its input and to make its weights."""

    def __init__(self, rng: random.Random, inputs: int, outputs: int) -> None:
        super().__init__()
        self.style, self.weight_style = rng.choice(SIGNS), rng.choice(WEIGHTS)
        self.kernel = rng.choice((1, 3, 3, 5))
        self.stride = rng.choice((1, 1, 2))
        self.padding = rng.choice((self.kernel // 2, self.kernel // 2, rng.randrange(self.kernel // 2 + 1)))
        self.groups = 1 if self.weight_style == "adabin" else rng.choice((1, 1, 1, 2))
        self.dilation = rng.choice((1, 1, 2)) if self.padding >= self.kernel // 2 and self.kernel == 3 else 1
        self.padding *= self.dilation
        self.weight = nn.Parameter(torch.randn(outputs, inputs // self.groups, self.kernel, self.kernel))
        self.scale = nn.Parameter(torch.rand(outputs, 1, 1) + 0.5)
        self.shift = nn.Parameter(torch.rand(1, inputs, 1, 1) - 0.5)
        self.bias = nn.Parameter(torch.randn(outputs)) if rng.random() < 0.3 else None
        self.scaled = "none"

    @property
    def scaled_by_position(self):
        return self.scaled == "position" and self.kernel == self.stride == 1 and self.padding == 0

    def factor(self, x):
        """What the sign is multiplied with before the layer: one number a sample, or a position of a 1x1 layer."""
        if self.scaled_by_position:
            return x.abs().mean(1, keepdim=True)
        if self.scaled in ("max", "sum"):
            return x.abs().amax((1, 2, 3), keepdim=True) if self.scaled == "max" else x.abs().mean()
        return x.abs().mean((1, 2, 3), keepdim=True) + 0.1

    def binary(self, x):
        if self.style == "detach":
            soft = torch.tanh(2 * x) + 0.1 * x
            return torch.sign(x).detach() - soft.detach() + soft
        if self.style == "where":
            return torch.where(x > 0, 1.0, -1.0)
        if self.style == "compare":
            return (x >= 0).float() * 2 - 1
        if self.style == "hard sigmoid":
            return 2 * torch.round(F.hardsigmoid(x)) - 1
        if self.style == "clip":
            return torch.sign(torch.clamp(x / 0.7, -1, 1))
        return torch.sign(x + self.shift if self.style == "shifted" else x)

    def weights(self):
        w = self.weight
        mean = w.abs().mean((1, 2, 3), keepdim=True)
        if self.weight_style == "residue":
            clipped = w.clamp(-1, 1)
            return (mean * w.sign()).detach() - clipped.detach() + clipped
        if self.weight_style == "centred":
            return (w - w.mean((1, 2, 3), keepdim=True)).sign() * mean
        if self.weight_style == "power":
            return w.sign() * 2 ** torch.round(torch.log2(mean))
        if self.weight_style == "adabin":
            centre = 0.3 * w.mean((1, 2, 3), keepdim=True)
            return (w - centre).sign() * mean + centre
        return w.sign() if self.weight_style == "sign" else w.sign() * mean

    def forward(self, x):
        half = self.kernel // 2 * self.dilation
        pads = self.padding if int(x.shape[2]) + 2 * self.padding > 2 * half else half  # a map smaller than the kernel
        signs = self.binary(x) if self.scaled == "none" else self.binary(x) * self.factor(x)
        out = F.conv2d(signs, self.weights(), self.bias, self.stride, pads, self.dilation, self.groups)
        return out * self.scale if self.weight_style == "learned" else out


class Network(nn.Module):
    """Stem, two to four binary blocks with random joints between them, head."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        rng = random.Random(seed)
        self.size = rng.choice((7, 8, 12, 15, 16))
        width = rng.choice((4, 8, 12))
        self.stem = nn.Conv2d(3, width, 3, rng.choice((1, 2)), 1)
        blocks, self.joints = [], []
        for _ in range(rng.randrange(2, 5)):
            repeats = rng.choice((1, 1, 2, 4))
            conv = BinaryConv(rng, width, rng.choice((4, 8, 12)))
            outputs = len(conv.weight) * repeats
            activation = rng.choice((nn.PReLU(outputs), nn.Hardtanh(), nn.LeakyReLU(0.1), nn.Identity()))
            self.joints.append((repeats, rng.choice(("none", "residual", "concat", "max", "average", "shuffle"))))
            if self.joints[-1][1] in ("average", "residual") and isinstance(activation, nn.Hardtanh):
                activation = nn.Identity()  # means of +1 and -1 are exactly 0, which no bit is
            blocks.append(nn.ModuleList([conv, nn.BatchNorm2d(outputs), activation]))
            width = outputs * 2 if self.joints[-1][1] == "concat" else outputs
        self.blocks = nn.ModuleList(blocks)
        scales = random.Random(-seed - 1)  # numbers of its own: the other draws of a seed stay as they were
        for conv, _, _ in blocks:
            conv.scaled = scales.choice(("none", "none", "mean", "max", "sum", "position"))
        self.flat = rng.random() < 0.3
        with torch.no_grad():
            features = self.features(torch.zeros(2, 3, self.size, self.size))
        self.fc = nn.Linear(features.shape[1], 5)

    def features(self, x):
        x = self.stem(x)
        for (conv, norm, activation), (repeats, joint) in zip(self.blocks, self.joints, strict=True):
            out = conv(x)
            out = norm(out.repeat(1, repeats, 1, 1) if repeats > 1 else out)
            if joint == "residual" and out.shape == x.shape:
                out = out + x
            x = activation(out)
            if joint == "concat":
                x = torch.cat([x, x * 0.5], 1)
            elif joint == "shuffle":
                n, c, h, w = x.shape
                x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
            elif joint in ("max", "average") and x.shape[2] >= 4:
                pool = F.max_pool2d if joint == "max" else F.avg_pool2d
                x = pool(x, 3, 2, 1, ceil_mode=bool(x.shape[2] % 2 == 0))
        return x.flatten(1) if self.flat else x.mean((2, 3))

    def forward(self, x):
        return self.fc(self.features(x))
