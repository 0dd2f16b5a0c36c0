"""What Larq Compute Engine's operators mean: their options, and binary weights as they lie in a file.

A bitpacked map holds 32 channels in one int32, channel 0 in the lowest bit, and a set bit is -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.tflite import flexbuffer
from repbnn_edge.tflite.schema import Model, Operator

QUANTIZE, DEQUANTIZE, BCONV, BMAXPOOL = "LceQuantize", "LceDequantize", "LceBconv2d", "LceBMaxPool2d"
OPERATORS = frozenset({QUANTIZE, DEQUANTIZE, BCONV, BMAXPOOL})
WORD = 32

Padding = Literal["SAME", "VALID"]
Activation = Literal["NONE", "RELU", "RELU_N1_TO_1", "RELU6"]

# The numbers are TFLite's own enums, in which LCE writes its options.
_PADDINGS: dict[int, Padding] = {0: "SAME", 1: "VALID"}
_ACTIVATIONS: dict[int, Activation] = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
_BCONV_INPUTS = 5
_LARGEST = 32767


def named_in(data: bytes) -> bool:
    """Whether a file names an operator of LCE, so that a stock runtime needs our delegate for it."""
    return any(name.encode() in data for name in OPERATORS)


@dataclass(frozen=True)
class Bconv2d:
    """One LceBconv2d, checked.

    Attributes:
        index: of the operator.
        input, filter, output: tensor indices; the filter is int32 (C_out, kh, kw, words of one group).
        multiplier, bias: tensor indices of the float output's per-channel constants, -1 where there are none.
        threshold: tensor index of the bitpacked output's per-channel int32 thresholds, -1 for float output.
        channels_in: of the input, unpacked.
        channels_out: filters.
        groups: of the convolution.
        kernel, strides, dilations: (rows, columns).
        padding: TFLite's.
        pad_value: what SAME pads the binary map with: 0 or +1.
        activation: applied to the float output.
    """

    index: int
    input: int
    filter: int
    output: int
    multiplier: int
    bias: int
    threshold: int
    channels_in: int
    channels_out: int
    groups: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    padding: Padding
    pad_value: int
    activation: Activation


def read_bconv2d(model: Model, operator: Operator) -> Bconv2d:
    """Read and check an LceBconv2d.

    Raises:
        BadInputError: options, shapes or constants that contradict each other; what is given back can be believed.
        UnsupportedError: an int8 output, which only LCE writes and this project does not handle.
    """
    what = f"operator {operator.index} (LceBconv2d)"
    options = _options(operator, what)
    if len(operator.inputs) != _BCONV_INPUTS or len(operator.outputs) != 1:
        raise _bad(what, f"it has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs")
    source, filters, multiplier, bias, threshold = operator.inputs
    if source < 0 or filters < 0:
        raise _bad(what, "its input or its filter is missing")
    shape = model.tensors[filters].shape
    groups = _groups(model, source, filters, options, what)
    layer = Bconv2d(
        index=operator.index,
        input=source,
        filter=filters,
        output=operator.outputs[0],
        multiplier=multiplier,
        bias=bias,
        threshold=threshold,
        channels_in=options["channels_in"],
        channels_out=shape[0],
        groups=groups,
        kernel=(shape[1], shape[2]),
        strides=_pair(options, "stride_height", "stride_width", what),
        dilations=_pair(options, "dilation_height_factor", "dilation_width_factor", what),
        padding=_choice(_PADDINGS, options, "padding", what),
        pad_value=_choice({0: 0, 1: 1}, options, "pad_values", what),
        activation=_choice(_ACTIVATIONS, options, "fused_activation_function", what),
    )
    _check_epilogue(model, layer, what)
    _check_output(model, layer, what)
    return layer


def padding_taps(layer: Bconv2d, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) of a layer on a map of this size; the odd tap goes to the end, as in TFLite."""
    if layer.padding == "VALID":
        return (0, 0), (0, 0)
    rows, columns = (
        max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
        for size, kernel, stride, dilation in zip(
            (height, width), layer.kernel, layer.strides, layer.dilations, strict=True
        )
    )
    return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


def binary_weights(model: Model, layer: Bconv2d) -> NDArray[np.int8]:
    """The weights of a layer in {-1, +1}, int8 (C_out, kh, kw, C_in / groups)."""
    packed = model.constant(layer.filter)
    assert packed is not None  # read_bconv2d has checked it
    return unpack(packed, layer.channels_in // layer.groups)


def unpack(words: NDArray[np.int32], channels: int) -> NDArray[np.int8]:
    """Bitpacked int32 (..., words) to int8 in {-1, +1}, (..., channels)."""
    raw = np.ascontiguousarray(words).astype("<i4", copy=False).view(np.uint8)
    bits = np.unpackbits(raw, axis=-1, bitorder="little")[..., :channels]
    return (1 - 2 * bits.astype(np.int8)).astype(np.int8)


def pack(signs: NDArray[np.int8]) -> NDArray[np.int32]:
    """int8 (..., channels), negative or not, to bitpacked int32 (..., words); bits past the last channel are 0."""
    channels = signs.shape[-1]
    bits = np.zeros((*signs.shape[:-1], -(-channels // WORD) * WORD), np.uint8)
    bits[..., :channels] = signs < 0
    return np.packbits(bits, axis=-1, bitorder="little").view("<i4").astype(np.int32, copy=False)


def _options(operator: Operator, what: str) -> dict[str, int]:
    try:
        numbers = flexbuffer.read_numbers(operator.custom_options)
    except ValueError as error:
        raise _bad(what, f"its options are broken: {error}") from error
    return {key: int(value) for key, value in numbers.items() if not isinstance(value, float)}


def _groups(model: Model, source: int, filters: int, options: dict[str, int], what: str) -> int:
    image, kernel = model.tensors[source], model.tensors[filters]
    channels = options.get("channels_in", 0)
    if len(kernel.shape) != 4 or kernel.type != "int32" or not kernel.constant or min(kernel.shape) < 1:
        raise _bad(what, f"its filter is no constant of int32 words, O x H x W x words, but {list(kernel.shape)}")
    if len(image.shape) != 4 or image.type != "int32" or min(image.shape) < 1:
        raise _bad(what, f"its input is no bitpacked map, but {image.type} {list(image.shape)}")
    if not 1 <= channels <= image.shape[3] * WORD or -(-channels // WORD) != image.shape[3]:
        raise _bad(what, f"{channels} channels do not fill {image.shape[3]} words")
    groups, rest = divmod(image.shape[3], kernel.shape[3])
    if rest or kernel.shape[0] % groups or channels % groups or -(-channels // groups // WORD) != kernel.shape[3]:
        raise _bad(what, f"filters of {kernel.shape[3]} words do not divide an input of {image.shape[3]}")
    return groups


def _check_epilogue(model: Model, layer: Bconv2d, what: str) -> None:
    """Either multiplier and bias (float output) or thresholds (bitpacked output), one for each filter."""
    bitpacked = layer.threshold >= 0
    if model.tensors[layer.output].type == "int8":
        raise UnsupportedError(what, "its output is int8", "convert without int8 activations")
    wanted: list[tuple[int, str, str]] = [(layer.threshold, "thresholds", "int32")] if bitpacked else []
    if not bitpacked:
        wanted = [(layer.multiplier, "multipliers", "float32"), (layer.bias, "biases", "float32")]
    for index, name, kind in wanted:
        tensor = model.tensors[index] if index >= 0 else None
        if tensor is None or not tensor.constant or tensor.shape != (layer.channels_out,) or tensor.type != kind:
            raise _bad(what, f"its {name} are not {layer.channels_out} constants of {kind}")
        numbers: NDArray[Any] | None = model.constant(index)
        if numbers is None or (kind == "float32" and not np.isfinite(numbers).all()):
            raise _bad(what, f"its {name} are not finite")


def _check_output(model: Model, layer: Bconv2d, what: str) -> None:
    image, output = model.tensors[layer.input], model.tensors[layer.output]
    pads = padding_taps(layer, image.shape[1], image.shape[2])
    sizes = [
        (size + sum(pad) - (kernel - 1) * dilation - 1) // stride + 1
        for size, pad, kernel, stride, dilation in zip(
            image.shape[1:3], pads, layer.kernel, layer.strides, layer.dilations, strict=True
        )
    ]
    bitpacked = layer.threshold >= 0
    channels = -(-layer.channels_out // WORD) if bitpacked else layer.channels_out
    expected = (image.shape[0], *sizes, channels)
    if min(sizes) < 1 or output.shape != expected or output.type != ("int32" if bitpacked else "float32"):
        raise _bad(what, f"its output is {output.type} {list(output.shape)}, not {list(expected)}")


def _pair(options: dict[str, int], rows: str, columns: str, what: str) -> tuple[int, int]:
    pair = options.get(rows, 0), options.get(columns, 0)
    if not all(1 <= value <= _LARGEST for value in pair):
        raise _bad(what, f"{rows} and {columns} are {pair[0]} and {pair[1]}")
    return pair


def _choice(choices: dict[int, Any], options: dict[str, int], key: str, what: str) -> Any:
    value = options.get(key, -1)
    if value not in choices:
        raise _bad(what, f"{key} is {value}")
    return choices[value]


def _bad(what: str, why: str) -> BadInputError:
    return BadInputError(what, why, "convert the network again")
