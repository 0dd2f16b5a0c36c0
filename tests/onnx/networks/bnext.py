"""BNext: sign of a clamped, divided map; squeeze-excite on a lerp of two maps; products of maps; two norms a block."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tests.onnx.networks.reactnet import LearnableBias


class HardSign(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("temperature", torch.ones(1))

    def forward(self, x):
        replace = x.clamp(-1.5, 1.5)
        x = x.div(self.temperature.clamp(min=1e-8)).clamp(-1, 1)
        return (x.sign() - replace).detach() + replace


class SignConv(nn.Module):
    def __init__(self, inputs, outputs, kernel_size, stride):
        super().__init__()
        self.stride, self.padding = stride, kernel_size // 2
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_size, kernel_size) * 0.1)

    def forward(self, x):
        return F.conv2d(x, self.weight.sign(), stride=self.stride, padding=self.padding)


class SqueezeAndExpand(nn.Module):
    def __init__(self, channels, attention):
        super().__init__()
        self.se = nn.Sequential(
            nn.AdaptiveAvgPool2d((1, 1)),
            nn.Conv2d(channels, channels // 4, 1),
            nn.ReLU(),
            nn.Conv2d(channels // 4, channels, 1),
        )
        self.attention = attention

    def forward(self, x):
        x = self.se(x)
        return torch.sigmoid(x) if self.attention == "sigmoid" else F.relu6(x + 3) / 6


class Branch(nn.Module):
    """A binary convolution with squeeze-excite; ``product``: times the residual too."""

    def __init__(self, channels, kernel_size, stride, product):
        super().__init__()
        self.stride, self.product = stride, product
        self.move = LearnableBias(channels)
        self.binary_activation = HardSign()
        self.binary_conv = SignConv(channels, channels, kernel_size, stride)
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.activation1, self.activation2 = nn.PReLU(channels), nn.PReLU(channels)
        self.pooling = nn.AvgPool2d(2, 2)
        self.se = SqueezeAndExpand(channels, "sigmoid" if product else "hard_sigmoid")
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), 0.5))

    def forward(self, x):
        residual = self.activation1(x) if self.product else x
        if self.stride == 2:
            residual = self.pooling(residual)
        out = self.activation2(self.norm1(self.binary_conv(self.binary_activation(self.move(x)))))
        if self.stride == 2:
            x = self.pooling(x)
        mix = self.scale * x + out * (1 - self.scale)
        out = self.se(mix) * out
        if self.product:
            out = out * residual
        return self.norm2(out) + residual


class BNext(nn.Module):
    def __init__(self, width=32, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.attention1 = Branch(width, 3, 1, product=True)
        self.first, self.second = Branch(width, 1, 1, product=False), Branch(width, 1, 1, product=False)
        self.attention2 = Branch(2 * width, 3, 2, product=True)
        self.ffn = Branch(2 * width, 1, 1, product=False)
        self.prelu = nn.PReLU(2 * width)
        self.pool1 = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2 * width, classes)

    def forward(self, x):
        x = self.attention1(self.bn1(self.conv1(x)))
        x = torch.cat((self.first(x), self.second(x)), dim=1)
        x = self.prelu(self.ffn(self.attention2(x)))
        x = self.pool1(x)
        return self.fc(x.view(x.size(0), -1))
