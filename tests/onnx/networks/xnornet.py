"""XNOR-Net: batch norm, sign, convolution with weights centred, clamped and scaled by mean|w|, ReLU; binary dense."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class BinaryOperation(nn.Module):
    """BN, sign, conv or linear, ReLU, in XNOR-Net's order; biases as its PyTorch port has them."""

    def __init__(self, inputs, outputs, kernel_size=0, stride=1, padding=0, groups=1):
        super().__init__()
        self.linear = not kernel_size
        self.bn = (nn.BatchNorm1d if self.linear else nn.BatchNorm2d)(inputs, eps=1e-4)
        self.op = (
            nn.Linear(inputs, outputs)
            if self.linear
            else nn.Conv2d(inputs, outputs, kernel_size, stride, padding, groups=groups)
        )

    def weights(self):
        w = self.op.weight
        w = (w - w.mean(1, keepdim=True)).clamp(-1.0, 1.0)
        axes = list(range(1, w.dim()))
        return w.sign() * w.abs().mean(axes, keepdim=True)

    def forward(self, x):
        x = torch.where(self.bn(x) >= 0, 1.0, -1.0)
        if self.linear:
            return F.relu(F.linear(x, self.weights(), self.op.bias))
        op = self.op
        return F.relu(F.conv2d(x, self.weights(), op.bias, op.stride, op.padding, op.dilation, op.groups))


class XnorNet(nn.Module):
    """An AlexNet of this kind, in small: 5x5 and grouped kernels, overlapping max pools, a binary dense layer."""

    def __init__(self, width=96, classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(width, eps=1e-4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            BinaryOperation(width, 2 * width, 5, 1, 2),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
            BinaryOperation(2 * width, 2 * width, 3, 1, 1, groups=2),
            BinaryOperation(2 * width, width, 3, 2, 1),
        )
        self.classifier = nn.Sequential(
            BinaryOperation(width * 3 * 3, 4 * width),
            nn.Dropout(),
            BinaryOperation(4 * width, 2 * width),
            nn.BatchNorm1d(2 * width),
            nn.Linear(2 * width, classes),
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))
