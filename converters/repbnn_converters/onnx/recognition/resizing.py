"""Larger maps: pixel shuffle, upsampling by nearest neighbour and by interpolation, transposed convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import ConvTranspose, Pads, ResizeBilinear
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.handlers import handles
from repbnn_converters.onnx.recognition.structure import move

_OTHER = "use nearest or bilinear interpolation, or a pixel shuffle"


@handles("DepthToSpace")
def depth_to_space(builder: Builder, node: Node) -> None:
    """Pixel shuffle; mode CRD is PyTorch's."""
    size, columns_first = node.attributes["blocksize"], node.attributes.get("mode", "DCR") == "CRD"

    def shuffled(positions: Any) -> Any:
        batch, channels, height, width = positions.shape
        depth = channels // size**2
        if columns_first:
            parts = positions.reshape(batch, depth, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
        else:
            parts = positions.reshape(batch, size, size, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
        return parts.reshape(batch, depth, height * size, width * size)

    move(builder, node, shuffled)


@handles("SpaceToDepth")
def space_to_depth(builder: Builder, node: Node) -> None:
    """The inverse of a depth-to-space of mode DCR."""
    size = node.attributes["blocksize"]

    def gathered(positions: Any) -> Any:
        batch, channels, height, width = positions.shape
        parts = positions.reshape(batch, channels, height // size, size, width // size, size)
        return parts.transpose(0, 3, 5, 1, 2, 4).reshape(batch, -1, height // size, width // size)

    move(builder, node, gathered)


@handles("Resize", "Upsample")
def resize(builder: Builder, node: Node) -> None:
    """Nearest neighbour is a movement; bilinear a layer of its own."""
    mode = node.attributes.get("mode", "nearest")
    source, target = builder.shape(node, node.input(0)), builder.shape(node, node.output)
    if len(source) != 4 or source[:2] != target[:2]:
        raise builder.unsupported(node, f"it resizes {list(source)} to {list(target)}", "resize rows and columns")
    if mode == "nearest":
        rows, columns = (_nearest(builder, node, source[axis], target[axis]) for axis in (2, 3))
        move(builder, node, lambda positions: positions[:, :, rows][:, :, :, columns])
        return
    name = builder.real(node, 0)
    corners = _corners(builder, node, source, target)
    if mode != "linear" or corners is None or node.attributes.get("antialias", 0):
        raise builder.unsupported(node, f"it resizes by '{mode}' interpolation of another kind", _OTHER)
    builder.give(node, ResizeBilinear, target[1:], inputs=(name,), size=target[2:], align_corners=corners)


def _corners(builder: Builder, node: Node, source: tuple[int, ...], target: tuple[int, ...]) -> bool | None:
    """Whether corners are aligned; None where it is neither that nor pixels as squares."""
    mode = node.attributes.get("coordinate_transformation_mode", "half_pixel" if node.op == "Resize" else "asymmetric")
    if mode == "align_corners":
        return True
    # pytorch_half_pixel differs from half_pixel only where one pixel is the whole result.
    exact = _scales(builder, node, source, target)
    if mode in ("half_pixel", "pytorch_half_pixel") and exact and 1 not in target[2:]:
        return False
    return None


def _scales(builder: Builder, node: Node, source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether the scales, where the file gives them, are those of the two sizes."""
    scales = builder.known(node, 2 if builder.graph.opset >= 11 else 1)
    if scales is None or scales.size == 0 or scales.dtype.kind != "f":
        return True
    return bool(np.allclose(scales * np.array(source), target, rtol=1e-6))


def _nearest(builder: Builder, node: Node, size: int, count: int) -> Any:
    """Which row or column each of the result is."""
    factor, rest = divmod(count, size)
    mode = node.attributes.get("coordinate_transformation_mode", "half_pixel" if node.op == "Resize" else "asymmetric")
    rounding = node.attributes.get("nearest_mode", "round_prefer_floor")
    if count == size:
        return np.arange(size)
    whole = factor >= 1 and not rest
    if mode == "asymmetric" and (rounding == "floor" or node.op == "Upsample"):
        return np.arange(count) * size // count
    if whole and mode in ("half_pixel", "pytorch_half_pixel") and rounding.startswith("round_prefer"):
        # A source at a quarter, three quarters: nearest is the one that it lies in, and no tie comes up but at odd
        # factors' middle, which is the source itself.
        return np.arange(count) // factor
    raise builder.unsupported(node, f"it takes the nearest by '{mode}' and '{rounding}'", _OTHER)


@handles("ConvTranspose")
def transposed(builder: Builder, node: Node) -> None:
    """A transposed convolution: the whole result, cropped by the padding."""
    weights = builder.known(node, 1)
    if weights is None or weights.ndim != 4:
        raise builder.unsupported(node, "it is no 2-d convolution of constant weights", "use ConvTranspose2d")
    bias = builder.known(node, 2) if node.input(2) else None
    name = builder.real(node, 0)
    if any(d != 1 for d in node.attributes.get("dilations", [])):
        raise builder.unsupported(node, "it is dilated", "use a dilation of 1")
    strides = tuple(node.attributes.get("strides", [1, 1]))
    source, target = builder.shape(node, node.input(0)), builder.shape(node, node.output)
    crop = _crop(builder, node, source[2:], target[2:], weights.shape[2:], strides)
    builder.give(
        node,
        ConvTranspose,
        target[1:],
        inputs=(name,),
        weights=weights.astype(np.float32),
        bias=None if bias is None else bias.astype(np.float32),
        strides=strides,
        crop=crop,
        groups=node.attributes.get("group", 1),
    )


def _crop(builder: Builder, node: Node, source: Any, target: Any, kernel: Any, strides: Any) -> Pads:
    pads = node.attributes.get("pads", [0, 0, 0, 0])
    if (node.attributes.get("auto_pad") or "NOTSET") not in ("NOTSET", "VALID"):
        raise builder.unsupported(node, "its padding is automatic", "give padding as numbers")
    amounts = []
    for axis in (0, 1):
        whole = (source[axis] - 1) * strides[axis] + max(kernel[axis], strides[axis])
        end = whole - pads[axis] - target[axis]
        if end < 0:
            raise builder.unsupported(node, "its output padding reaches behind the kernel", "pad less")
        amounts.append((int(pads[axis]), int(end)))
    return amounts[0], amounts[1]
