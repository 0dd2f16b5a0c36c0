"""AdaBin: two free values for weights (b - a, b + a) and for activations (a * (s + b)); Maxout; option A by slices."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tests.onnx.networks.reactnet import BinaryActivation
from tests.onnx.networks.recu import Quantize


class Maxout(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.neg_scale = nn.Parameter(0.25 * torch.ones(channels))
        self.pos_scale = nn.Parameter(torch.ones(channels))
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.pos_scale.view(1, -1, 1, 1) * self.relu(x) - self.neg_scale.view(1, -1, 1, 1) * self.relu(-x)


class AdaptiveActivation(nn.Module):
    def __init__(self):
        super().__init__()
        self.alpha_a = nn.Parameter(torch.tensor(1.0).uniform_(0.5, 1.5))
        self.beta_a = nn.Parameter(torch.tensor(0.0).uniform_(-0.2, 0.2))
        self.estimator = BinaryActivation()

    def forward(self, x):
        x = (x - self.beta_a) / self.alpha_a
        return self.alpha_a * (self.estimator(x) + self.beta_a)


class AdaBinConv2d(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.binary_a = AdaptiveActivation()
        self.filter_size = self.kernel_size[0] * self.kernel_size[1] * self.in_channels

    def forward(self, x):
        x = self.binary_a(x)
        w = self.weight
        centre = w.mean((1, 2, 3)).view(-1, 1, 1, 1)
        scale = torch.sqrt(((w - centre) ** 2).sum((1, 2, 3)) / self.filter_size).view(-1, 1, 1, 1)
        binary = Quantize().apply((w - centre) / scale)
        weight = binary * scale + centre
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class SlicedOptionA(nn.Module):
    def __init__(self, pad):
        super().__init__()
        self.pad = pad

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad), "constant", 0)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = AdaBinConv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.nonlinear1 = Maxout(outputs)
        self.conv2 = AdaBinConv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.nonlinear2 = Maxout(outputs)
        self.shortcut = nn.Sequential() if inputs == outputs else SlicedOptionA(outputs // 4)

    def forward(self, x):
        out = self.bn1(self.conv1(x))
        out += self.shortcut(x)
        out = self.nonlinear1(out)
        kept = out
        out = self.bn2(self.conv2(out))
        out += kept
        return self.nonlinear2(out)


class ResNet20(nn.Module):
    def __init__(self, blocks=3, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.nonlinear1 = Maxout(16)
        layers, inputs = [], 16
        for stage in range(3):
            for position in range(blocks):
                layers.append(Block(inputs, 16 << stage, 2 if stage and not position else 1))
                inputs = 16 << stage
        self.layers = nn.Sequential(*layers)
        self.bn2 = nn.BatchNorm1d(inputs)
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x):
        out = self.layers(self.nonlinear1(self.bn1(self.conv1(x))))
        out = F.avg_pool2d(out, int(out.size(3)))
        return self.linear(self.bn2(out.view(out.size(0), -1)))
