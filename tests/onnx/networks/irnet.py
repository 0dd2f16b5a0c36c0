"""IR-Net: weights centred and standardised by their own deviation, scaled by a power of two (log, round, pow)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.onnx.networks.recu import Quantize
from tests.onnx.networks.recu import ResNet20 as HardtanhResNet20


class IrConv2d(nn.Conv2d):
    def forward(self, x):
        w = self.weight
        rows = w.size(0)
        binary = w - w.view(rows, -1).mean(-1).view(rows, 1, 1, 1)
        binary = binary / binary.view(rows, -1).std(-1).view(rows, 1, 1, 1)
        exponent = (torch.log(binary.abs().view(rows, -1).mean(-1)) / math.log(2)).round().float()
        power = torch.pow(torch.tensor([2] * rows).float(), exponent).view(rows, 1, 1, 1).detach()
        binary = Quantize().apply(binary) * power
        return F.conv2d(Quantize().apply(x), binary, self.bias, self.stride, self.padding, self.dilation, self.groups)


def ResNet20(blocks=3):
    return HardtanhResNet20(blocks=blocks, conv=IrConv2d)
