"""ReCU: weights standardised, clamped to a quantile and signed, a learnable scale behind the convolution; hardtanh."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import Function


class Quantize(Function):
    @staticmethod
    def forward(ctx, x):
        return torch.sign(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class BinarizeConv2d(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.alpha = nn.Parameter(torch.rand(self.weight.size(0), 1, 1) + 0.1)
        self.register_buffer("tau", torch.tensor(0.95))

    def forward(self, x):
        w = self.weight
        centred = w - w.mean([1, 2, 3], keepdim=True)
        spread = torch.sqrt(centred.var([1, 2, 3], keepdim=True) + 1e-5) / 2 / np.sqrt(2)
        standard = centred / spread
        bound = (-torch.mean(torch.abs(standard)) * torch.log(2 - 2 * self.tau)).detach().cpu().item()
        binary = Quantize().apply(torch.clamp(standard, -bound, bound))
        out = F.conv2d(Quantize().apply(x), binary, self.bias, self.stride, self.padding, self.dilation, self.groups)
        return out * self.alpha


class OptionA(nn.Module):
    def __init__(self, pad):
        super().__init__()
        self.pad = pad

    def forward(self, x):
        return F.pad(x, (0, 0, 0, 0, self.pad, self.pad), "constant", 0)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, conv):
        super().__init__()
        self.conv1 = conv(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = conv(outputs, outputs, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.AvgPool2d((2, 2)), OptionA(outputs // 4))

    def forward(self, x):
        out = self.bn1(self.conv1(x))
        out += self.shortcut(x)
        out = F.hardtanh(out, inplace=True)
        kept = out
        out = self.bn2(self.conv2(out))
        out += kept
        return F.hardtanh(out, inplace=True)


class ResNet20(nn.Module):
    def __init__(self, blocks=3, classes=10, conv=BinarizeConv2d):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        layers, inputs = [], 16
        for stage in range(3):
            for position in range(blocks):
                layers.append(Block(inputs, 16 << stage, 2 if stage and not position else 1, conv))
                inputs = 16 << stage
        self.layers = nn.Sequential(*layers)
        self.bn2 = nn.BatchNorm1d(inputs)
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x):
        out = F.hardtanh(self.bn1(self.conv1(x)), inplace=True)
        out = self.layers(out)
        out = F.avg_pool2d(out, int(out.size(3)))
        out = self.bn2(out.view(out.size(0), -1))
        return self.linear(out)


class VggSmall(nn.Module):
    def __init__(self, width=128, classes=10, conv=BinarizeConv2d):
        super().__init__()
        self.conv0 = nn.Conv2d(3, width, kernel_size=3, padding=1, bias=False)
        self.bn0 = nn.BatchNorm2d(width)
        self.pooling = nn.MaxPool2d(kernel_size=2, stride=2)
        widths = [width, width, 2 * width, 2 * width, 4 * width, 4 * width]
        self.convs = nn.ModuleList(conv(a, b, kernel_size=3, padding=1, bias=False) for a, b in pairwise(widths))
        self.bns = nn.ModuleList(nn.BatchNorm2d(b) for b in widths[1:])
        self.nonlinear = nn.Hardtanh(inplace=True)
        self.fc = nn.Linear(4 * width * 4 * 4, classes)

    def forward(self, x):
        x = self.nonlinear(self.bn0(self.conv0(x)))
        for i, (conv, bn) in enumerate(zip(self.convs, self.bns, strict=True)):
            x = conv(x)
            if i % 2 == 0:
                x = self.pooling(x)
            x = self.nonlinear(bn(x))
        return self.fc(x.view(x.size(0), -1))
