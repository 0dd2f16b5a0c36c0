"""Bi-Real-Net-18, and ReActNet on ResNet-18: a shortcut round every convolution, 7x7 stem, max pool with padding."""

from __future__ import annotations

from torch import nn

from tests.onnx.networks.reactnet import BinaryActivation, HardBinaryConv, LearnableBias, Rprelu


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, react):
        super().__init__()
        self.move = LearnableBias(inputs) if react else nn.Identity()
        self.binary_activation = BinaryActivation()
        self.binary_conv = HardBinaryConv(inputs, outputs, stride=stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.AvgPool2d(kernel_size=2, stride=stride),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )
        self.act = Rprelu(outputs) if react else nn.Identity()

    def forward(self, x):
        out = self.bn1(self.binary_conv(self.binary_activation(self.move(x))))
        residual = x if self.downsample is None else self.downsample(x)
        out += residual
        return self.act(out)


class ResNet18(nn.Module):
    def __init__(self, width=64, react=False, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.bn1.before_max_pool = True
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        blocks, inputs = [], width
        for stage in range(4):
            outputs = width << stage
            for position in range(4):
                blocks.append(Block(inputs, outputs, 2 if stage and not position else 1, react))
                inputs = outputs
        self.layers = nn.Sequential(*blocks)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.layers(self.maxpool(self.bn1(self.conv1(x))))
        x = self.avgpool(x)
        return self.fc(x.view(x.size(0), -1))
