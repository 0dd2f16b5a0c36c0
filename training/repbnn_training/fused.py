"""Training steps of ReCU-ResNet-20 on a CPU, in half a dozen passes over memory a layer instead of thirty.

What PyTorch does as separate bfloat16 maps (scale, repeat, batch norm, shortcut, Hardtanh, sign, and each one's
gradient) is one pass here. The network stays ``networks.ReCUResNet20``, with its parameters and its buffers; only how
a training step computes them differs:

- batch norm sees the convolution before its repeat: the copies have the same moments, so they are taken once;
- the filters' scale ``alpha`` before a batch norm only changes the norm's epsilon: its gradient is taken as 0;
- maps are bfloat16, which holds a binary convolution's integers exactly up to 256.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch import Tensor
from torch.nn import functional

from repbnn_edge.errors import UnsupportedError
from repbnn_training.networks import BasicBlock, ReCUConv2d, ReCUResNet20

FLAGS = ("-std=c++20", "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC")


@cache
def build() -> ctypes.CDLL:
    """The compiled passes: built with the machine's C++ compiler (``CXX``, else g++), kept in the user's cache.

    Raises:
        UnsupportedError: no compiler, or none that knows C++20 and GCC's vectors.
    """
    source = Path(__file__).with_name("fused.cpp")
    machine = Path("/proc/cpuinfo").read_text().partition("\n\n")[0] if Path("/proc/cpuinfo").exists() else ""
    features = [line for line in machine.splitlines() if line.startswith(("flags", "Features"))]
    key = hashlib.sha256("\n".join([source.read_text(), *FLAGS, *features]).encode()).hexdigest()[:16]
    library = Path(platformdirs.user_cache_dir("repbnn-edge")) / f"fused-{key}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            fresh = Path(folder) / library.name
            try:
                command = [os.environ.get("CXX", "g++"), *FLAGS, str(source), "-o", str(fresh)]
                subprocess.run(command, check=True, capture_output=True, text=True)
            except (OSError, subprocess.CalledProcessError) as error:
                why = getattr(error, "stderr", "") or str(error)
                raise UnsupportedError("--form fused", f"it does not compile ({why})", "use --form compiled") from error
            fresh.replace(library)
    passes = ctypes.CDLL(str(library))
    maps: list[type] = [ctypes.c_void_p]
    sizes: list[type] = [ctypes.c_int64] * 3
    numbers: list[type] = [ctypes.c_float]
    passes.repbnn_forward.argtypes = maps * 2 + sizes + maps * 3 + numbers * 2 + maps * 7
    passes.repbnn_backward.argtypes = maps * 4 + sizes + maps * 4 + numbers + maps * 4
    return passes


def activate(y: Tensor, shortcut: Tensor | None, gamma: Tensor, beta: Tensor, alpha: Tensor, norm: Any) -> Any:
    """Norm, repeat, shortcut and Hardtanh: (N, H, W, width) to out and its sign (N, H, W, channels), and what
    ``gradients`` needs of the norm. ``norm``'s running moments are updated.
    """
    width, channels = y.shape[3], len(gamma)
    out, a = y.new_empty(*y.shape[:3], channels), torch.empty(channels)
    sign, moments = torch.empty_like(out), (torch.empty(width), torch.empty(width))
    own = len(norm.running_mean)
    running = [norm.running_mean, norm.running_var]
    if own != channels:  # the stem's norm, whose map is repeated behind it
        running = [moment.repeat(channels // own) for moment in running]
    small = (gamma.contiguous(), beta.contiguous(), alpha)
    _check(
        build().repbnn_forward(
            *_pointers(y, shortcut),
            *(y.numel() // width, width, channels // width),
            *_pointers(*small),
            *(norm.momentum, norm.eps),
            *_pointers(*running, out, sign, a, *moments),
        )
    )
    if own != channels:
        norm.running_mean.copy_(running[0][:own])
        norm.running_var.copy_(running[1][:own])
    norm.num_batches_tracked += 1
    return out, sign, (a, *moments, alpha)


def gradients(d_sign: Tensor | None, d_next: Tensor, out: Tensor, y: Tensor, kept: Any, norm: Any) -> Any:
    """The way back through ``activate``: the gradients of y, of the shortcut, of gamma and of beta.

    Args:
        d_sign: of the next layer's sign, None behind the last; its straight-through estimate 2 - 2|x| is applied here.
        d_next: of ``out`` by all other ways.
        out: what ``activate`` returned.
        y: what it was given.
        kept: what it kept.
        norm: as given.
    """
    a, mean, variance, alpha = kept
    width, d_y, d_sum = y.shape[3], torch.empty_like(y), torch.empty_like(out)
    d_gamma, d_beta = torch.empty_like(a), torch.empty_like(a)
    _check(
        build().repbnn_backward(
            *_pointers(d_sign, d_next, out, y),
            *(y.numel() // width, width, len(a) // width),
            *_pointers(a, mean, variance, alpha),
            norm.eps,
            *_pointers(d_y, d_sum, d_gamma, d_beta),
        )
    )
    return d_y, d_sum, d_gamma, d_beta


def _pointers(*tensors: Tensor | None) -> list[int | None]:
    assert all(tensor is None or tensor.is_contiguous() for tensor in tensors)
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


def _check(status: int) -> None:
    if status:
        raise UnsupportedError("--form fused", "it has no step for layers of this width", "use --form compiled")


class _Layer:
    """What one convolution and its norm bring: weights for this step, and where its shortcut comes from."""

    def __init__(self, conv: Any, norm: Any, *, shortcut: str) -> None:
        self.conv, self.norm, self.shortcut = conv, norm, shortcut

    def shortcut_of(self, x: Tensor, channels: int) -> Tensor | None:
        """What is added behind the norm, given the layer's input."""
        if self.shortcut == "pooled":
            return _pooled(x, channels)
        return x if self.shortcut == "same" else None

    def tensors(self, beta: int) -> tuple[Tensor, Tensor, Tensor]:
        """Weight in bfloat16, gamma and beta; the stem's norm is as narrow as its filters and is repeated."""
        if isinstance(self.conv, ReCUConv2d):
            return self.conv.binary_weight().bfloat16(), self.norm.weight, self.norm.bias
        return self.conv.weight.bfloat16(), self.norm.weight.repeat(beta), self.norm.bias.repeat(beta)


class _Trunk(torch.autograd.Function):
    """Stem and all blocks: (N, 3, H, W) bfloat16 to (N, C, H', W') bfloat16, both in channels-last order."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, layers: list[_Layer], *tensors: Tensor) -> Tensor:
        """Weights, gammas and betas come flat, three a layer."""
        saved, x, sign = [], images, images
        for index, layer in enumerate(layers):
            weight, gamma, beta = tensors[3 * index : 3 * index + 3]
            shortcut = layer.shortcut_of(x, len(gamma))
            y = _last(functional.conv2d(sign, weight, None, layer.conv.stride, 1))
            assert y is not None
            out, next_sign, kept = activate(y, _last(shortcut), gamma, beta, _alpha(layer.conv), layer.norm)
            saved.append((layer, sign, weight, y, out, kept))
            x, sign = out.permute(0, 3, 1, 2), next_sign.permute(0, 3, 1, 2)
        ctx.saved = saved
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Gradients of weights, gammas and betas; images have none."""
        flat: list[Tensor] = []
        d_sign, d_next = None, gradient
        for index in range(len(ctx.saved) - 1, -1, -1):
            layer, sign, weight, y, out, kept = ctx.saved[index]
            d_y, d_sum, d_gamma, d_beta = gradients(_last(d_sign), _last(d_next), out, y, kept, layer.norm)
            stride, wanted = list(layer.conv.stride), [index > 0, True, False]
            d_sign, d_weight, _ = torch.ops.aten.convolution_backward(
                d_y.permute(0, 3, 1, 2), sign, weight, None, stride, [1, 1], [1, 1], False, [0, 0], 1, wanted
            )
            d_next = d_sum.permute(0, 3, 1, 2)
            if layer.shortcut == "pooled":
                d_next = _unpooled(d_next, sign.shape[1])
            flat[:0] = [d_weight, d_gamma, d_beta]
        ctx.saved = None
        return (None, None, *flat)


def logits(network: ReCUResNet20, images: Tensor) -> Tensor:
    """The training form of the network: what ``network(images)`` computes in train mode, for a backward pass.

    Args:
        network: with beta 1 or 2 and ReCU's widths, built with ``normalise=False``, on the CPU.
        images: (N, 3, 32, 32) standardised, any float type.
    """
    layers = [_Layer(network.conv1, network.bn1, shortcut="none")]
    for block in network.blocks:
        assert isinstance(block, BasicBlock)
        layers.append(_Layer(block.conv1, block.bn1, shortcut="pooled" if block.stride == 2 else "same"))
        layers.append(_Layer(block.conv2, block.bn2, shortcut="same"))
    tensors = [tensor for layer in layers for tensor in layer.tensors(network.beta)]
    images = images.bfloat16().contiguous(memory_format=torch.channels_last)
    x = _Trunk.apply(images, layers, *tensors).float().mean((2, 3))
    return network.linear(network.bn2(x))


def _last(x: Tensor | None) -> Tensor | None:
    """(N, C, H, W) in channels-last order as contiguous (N, H, W, C)."""
    return None if x is None else x.permute(0, 2, 3, 1).contiguous()


def _alpha(conv: Any) -> Tensor:
    return conv.alpha.detach().flatten() if isinstance(conv, ReCUConv2d) else torch.ones(conv.out_channels)


def _pooled(x: Tensor, channels: int) -> Tensor:
    half = (channels - x.shape[1]) // 2
    return functional.pad(functional.avg_pool2d(x, 2), (0, 0, 0, 0, half, half))


def _unpooled(gradient: Tensor, channels: int) -> Tensor:
    half = (gradient.shape[1] - channels) // 2
    part = gradient[:, half : half + channels] * 0.25
    return functional.interpolate(part.contiguous(memory_format=torch.channels_last), scale_factor=2, mode="nearest")
