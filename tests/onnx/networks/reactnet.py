"""ReActNet-A and its Rep form: RSign with the piecewise-polynomial estimator, RPReLU, weights mean|w| * sign(w)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class BinaryActivation(nn.Module):
    """sign(x) forward; the derivative of a piecewise polynomial backward, by the detach trick."""

    def forward(self, x):
        hard = torch.sign(x)
        below = (x < -1).type(torch.float32)
        negative = (x < 0).type(torch.float32)
        inside = (x < 1).type(torch.float32)
        soft = (-1) * below + (x * x + 2 * x) * (1 - below)
        soft = soft * negative + (-x * x + 2 * x) * (1 - negative)
        soft = soft * inside + 1 * (1 - inside)
        return hard.detach() - soft.detach() + soft


class LearnableBias(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x):
        return x + self.bias.expand_as(x)


class HardBinaryConv(nn.Module):
    def __init__(self, inputs, outputs, kernel_size=3, stride=1, padding=1):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_size, kernel_size) * 0.3)

    def forward(self, x):
        real = self.weight
        scale = torch.mean(torch.mean(torch.mean(abs(real), dim=3, keepdim=True), dim=2, keepdim=True), 1, keepdim=True)
        scale = scale.detach()
        hard = scale * torch.sign(real)
        clipped = torch.clamp(real, -1.0, 1.0)
        weights = hard.detach() - clipped.detach() + clipped
        return F.conv2d(x, weights, stride=self.stride, padding=self.padding)


class Rprelu(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.before, self.prelu, self.after = LearnableBias(channels), nn.PReLU(channels), LearnableBias(channels)

    def forward(self, x):
        return self.after(self.prelu(self.before(x)))


class Block(nn.Module):
    """``rep``: beta; every map is that much wider, every convolution has that much fewer filters."""

    def __init__(self, inputs, outputs, stride, rep):
        super().__init__()
        self.copies, self.stride, self.doubles = rep * rep, stride, inputs != outputs
        wide = inputs * rep
        self.move1 = LearnableBias(wide)
        self.binary_3x3 = HardBinaryConv(wide, inputs // rep, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(wide)
        self.act1 = Rprelu(wide)
        self.move2 = LearnableBias(wide)
        branches = 2 if self.doubles else 1
        self.binary_pw = nn.ModuleList(HardBinaryConv(wide, inputs // rep, 1, 1, 0) for _ in range(branches))
        self.bn2 = nn.ModuleList(nn.BatchNorm2d(wide) for _ in range(branches))
        self.act2 = Rprelu(outputs * rep)
        self.binary_activation = BinaryActivation()
        self.pooling = nn.AvgPool2d(2, 2)

    def widened(self, x):
        return x if self.copies == 1 else x.repeat(1, self.copies, 1, 1)

    def forward(self, x):
        out = self.binary_3x3(self.binary_activation(self.move1(x)))
        out = self.bn1(self.widened(out))
        if self.stride == 2:
            x = self.pooling(x)
        out = self.act1(x + out)
        signs = self.binary_activation(self.move2(out))
        parts = []
        for conv, bn in zip(self.binary_pw, self.bn2, strict=True):
            part = bn(self.widened(conv(signs)))
            part += out
            parts.append(part)
        return self.act2(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))


class ReActNetA(nn.Module):
    """``stages`` are blocks per doubling; the published network is width 32, stages (1, 1, 2, 2, 6, 2) at 224."""

    def __init__(self, width=32, stages=(1, 2, 2, 6, 2), rep=1, classes=10):
        super().__init__()
        self.rep = rep
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        channels, blocks = width, []
        for stage, count in enumerate(stages):
            for position in range(count):
                first = position == 0
                blocks.append(Block(channels, width << (stage + 1), 2 if first and stage else 1, rep))
                channels = width << (stage + 1)
        self.blocks = nn.ModuleList(blocks)
        self.pool1 = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels * rep, classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x))
        if self.rep > 1:
            x = x.repeat(1, self.rep, 1, 1)
        for block in self.blocks:
            x = block(x)
        x = self.pool1(x)
        return self.fc(x.view(x.size(0), -1))
