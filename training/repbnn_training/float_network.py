"""ResNet-20 in full precision: the yardstick of the binary ones, and their teacher."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class _Block(nn.Module):
    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.stride, self.widen = stride, (c_out - c_in) // 2

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.stride == 2:
            shortcut = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.widen, self.widen))
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)) + shortcut)


class FloatResNet20(nn.Module):
    """He et al., 2015: ResNet-20 with option-A shortcuts; (N, 3, 32, 32) standardised images to (N, classes) logits."""

    def __init__(self, widths: tuple[int, int, int] = (16, 32, 64), classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        blocks, c_in = [], widths[0]
        for stage, c_out in enumerate(widths):
            for position in range(3):
                blocks.append(_Block(c_in, c_out, 2 if stage and position == 0 else 1))
                c_in = c_out
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(c_in, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.linear(self.blocks(self.stem(x)).mean((2, 3)))
