"""Test networks made testable: batch norms calibrated, then through one of PyTorch's two exporters."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any


def calibrated(model: Any, size: int, seed: int = 0, channels: int = 3) -> Any:
    """Give a network the statistics of a trained one, without training it.

    Fresh batch norms make tests meaningless (behind a ReLU every bit is +1): gamma 0.5 to 1.5, one in ten negative,
    beta and learned shifts not 0, distinct slopes; mean and variance of one random batch.
    """
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(seed)

    def uniform(shape: Any, low: float, high: float) -> Any:
        return torch.rand(shape, generator=generator) * (high - low) + low

    for name, parameter in model.named_parameters():
        if name.endswith("bias") and parameter.dim() == 4:
            parameter.data = uniform(parameter.shape, -0.2, 0.2)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.weight.data = uniform(module.weight.shape, 0.5, 1.5)
            negative = torch.rand(module.weight.shape, generator=generator) < 0.1
            module.weight.data[negative] *= -1
            module.bias.data = uniform(module.bias.shape, -0.3, 0.3)
            if getattr(module, "before_max_pool", False):  # the largest of nine is positive almost everywhere
                module.bias.data -= 1.4 * module.weight.data.abs()
            module.momentum = 1.0
        if isinstance(module, nn.PReLU):
            module.weight.data = uniform(module.weight.shape, 0.05, 0.4)
    model.train()
    with torch.no_grad():
        model(torch.randn(16, channels, size, size, generator=generator))
    return model.eval()


def export(model: Any, path: Path, size: int, *, dynamo: bool = False, channels: int = 3, **options: Any) -> Path:
    """Write ``model`` to ``path``."""
    import torch

    options.setdefault("opset_version", 18 if dynamo else 17)
    image = torch.zeros(1, channels, size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (image,), str(path), dynamo=dynamo, **options)
    return path
