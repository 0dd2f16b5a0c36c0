"""Float operators between binary layers, one network each: what the delegate takes, and what it must not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.runtime.flatbuffer_writer import Writer

SAME, VALID = 0, 1
RELU, RELU6 = 1, 3
Body = Callable[[Writer, int], int]


@dataclass(frozen=True)
class Case:
    """An operator, or a few: from a float map of ``shape`` to the last one's output."""

    shape: tuple[int, ...]
    body: Body


def mean(axes: tuple[int, ...], keep: bool) -> Body:
    def body(w: Writer, t: int) -> int:
        positive = {axis % 4 for axis in axes}
        shape = tuple(1 if d in positive else size for d, size in enumerate(w.shape(t)) if keep or d not in positive)
        return int(w.add("MEAN", [t, w.constant(np.int32(axes))], shape, table="ReducerOptions", keepDims=keep))

    return body


def pool(kind: str, kernel: int, stride: int, padding: int, activation: int = 0) -> Body:
    def body(w: Writer, t: int) -> int:
        n, height, width, channels = w.shape(t)
        shape = (n, _size(height, kernel, stride, padding), _size(width, kernel, stride, padding), channels)
        return int(w.add(
            kind, [t], shape, table="Pool2DOptions", strideW=stride, strideH=stride, filterWidth=kernel,
            filterHeight=kernel, padding=padding, fusedActivationFunction=activation,
        ))  # fmt: skip

    return body


def depthwise(kernel: int, stride: int, padding: int, multiplier: int = 1, dilation: int = 1, act: int = 0) -> Body:
    def body(w: Writer, t: int) -> int:
        n, height, width, channels = w.shape(t)
        extent, filters = (kernel - 1) * dilation + 1, channels * multiplier
        shape = (n, _size(height, extent, stride, padding), _size(width, extent, stride, padding), filters)
        return int(w.add(
            "DEPTHWISE_CONV_2D", [t, w.floats(1, kernel, kernel, filters), w.floats(filters)], shape, version=2,
            table="DepthwiseConv2DOptions", strideW=stride, strideH=stride, padding=padding, depthMultiplier=multiplier,
            dilationWFactor=dilation, dilationHFactor=dilation, fusedActivationFunction=act,
        ))  # fmt: skip

    return body


def pad(value: float | None) -> Body:
    def body(w: Writer, t: int) -> int:
        n, height, width, channels = w.shape(t)
        inputs = [t, w.constant(np.int32([[0, 0], [1, 2], [2, 0], [0, 0]]))]
        if value is not None:
            inputs.append(w.constant(np.float32(value)))
        table = "PadOptions" if value is None else "PadV2Options"
        return int(
            w.add("PAD" if value is None else "PADV2", inputs, (n, height + 3, width + 2, channels), table=table)
        )

    return body


def split(w: Writer, t: int) -> int:
    *outer, channels = w.shape(t)
    parts = w.add(
        "SPLIT", [w.constant(np.int32(3)), t], *[(*outer, channels // 2)] * 2, table="SplitOptions", numSplits=2
    )
    return arithmetic(w, "SUB", parts[0], parts[1])


def strided_slice(w: Writer, t: int) -> int:
    n, height, width, channels = w.shape(t)
    bounds = [w.constant(np.int32(x)) for x in ([0, 1, 0, 0], [n, height, width - 1, channels], [1, 2, 1, 1])]
    return int(w.add("STRIDED_SLICE", [t, *bounds], (n, height // 2, width - 1, channels), table="StridedSliceOptions"))


def arithmetic(w: Writer, kind: str, a: int, b: int) -> int:
    shape = np.broadcast_shapes(w.shape(a), w.shape(b))
    return int(w.add(kind, [a, b], shape, table=f"{kind.title()}Options"))


def excite(keep: bool) -> Body:
    """Each channel times its own mean: a MUL that is spread from one pixel to all."""
    return lambda w, t: arithmetic(w, "MUL", t, mean((1, 2), keep)(w, t))


def fully_connected(w: Writer, t: int) -> int:
    squeezed = mean((1, 2), False)(w, t)
    n, channels = w.shape(squeezed)
    inputs = [squeezed, w.floats(channels, channels), w.floats(channels)]
    dense = w.add("FULLY_CONNECTED", inputs, (n, channels), table="FullyConnectedOptions")
    return arithmetic(w, "MUL", t, int(dense))


def logistic(w: Writer, t: int) -> int:
    return int(w.add("LOGISTIC", [t], w.shape(t)))


def conv2d(w: Writer, t: int) -> int:
    n, height, width, channels = w.shape(t)
    inputs = [t, w.floats(32, 1, 1, channels), w.floats(32)]
    return int(w.add("CONV_2D", inputs, (n, height, width, 32), table="Conv2DOptions", strideW=1, strideH=1,
                     dilationWFactor=1, dilationHFactor=1))  # fmt: skip


def _size(size: int, extent: int, stride: int, padding: int) -> int:
    return -(-size // stride) if padding == SAME else (size - extent) // stride + 1


MAP = (1, 15, 13, 40)
# The builtin kernels of tflite-runtime 2.14.0, ai-edge-litert 2.1.0 to 2.3.0 and LCE give the same bits for these.
TAKEN = {
    "MEAN": Case(MAP, mean((1, 2), False)),
    "MEAN of negative axes": Case(MAP, mean((-2, -3), True)),
    "MEAN of 7x7": Case((1, 7, 7, 64), mean((2, 1), True)),
    "AVERAGE_POOL_2D of all": Case((1, 20, 20, 33), pool("AVERAGE_POOL_2D", 20, 20, VALID)),
    "AVERAGE_POOL_2D": Case(MAP, pool("AVERAGE_POOL_2D", 3, 2, SAME)),
    "AVERAGE_POOL_2D 2x2": Case((1, 14, 14, 64), pool("AVERAGE_POOL_2D", 2, 2, VALID, RELU6)),
    "MAX_POOL_2D": Case(MAP, pool("MAX_POOL_2D", 3, 2, SAME, RELU)),
    "MAX_POOL_2D 2x2": Case(MAP, pool("MAX_POOL_2D", 2, 1, VALID)),
    "DEPTHWISE_CONV_2D": Case(MAP, depthwise(3, 2, SAME)),
    "DEPTHWISE_CONV_2D 5x5": Case((1, 9, 9, 17), depthwise(5, 1, SAME, act=RELU6)),
    "DEPTHWISE_CONV_2D dilated": Case(MAP, depthwise(3, 1, SAME, dilation=2, act=RELU)),
    "DEPTHWISE_CONV_2D VALID": Case(MAP, depthwise(2, 2, VALID)),
    "DEPTHWISE_CONV_2D of two filters a channel": Case(MAP, depthwise(3, 1, SAME, multiplier=2)),
    "PAD": Case(MAP, pad(None)),
    "PADV2 of -1": Case(MAP, pad(-1.0)),
    "PADV2 of 1": Case(MAP, pad(1.0)),
    "SPLIT": Case(MAP, split),
    "STRIDED_SLICE": Case(MAP, strided_slice),
    "MUL of [1, C]": Case(MAP, excite(False)),
    "MUL of [1, 1, 1, C]": Case(MAP, excite(True)),
    "PRELU": Case(MAP, lambda w, t: int(w.add("PRELU", [t, w.floats(1, 1, 40)], MAP))),
    "RELU6": Case(MAP, lambda w, t: int(w.add("RELU6", [t], MAP))),
    "RELU_N1_TO_1": Case(MAP, lambda w, t: int(w.add("RELU_N1_TO_1", [t], MAP))),
    "SUB": Case(MAP, lambda w, t: arithmetic(w, "SUB", w.floats(40), t)),
    "ADD of itself": Case(MAP, lambda w, t: arithmetic(w, "ADD", t, t)),
}
# The bits of these are no two runtimes' own.
REFUSED = {
    "FULLY_CONNECTED": Case(MAP, fully_connected),
    "LOGISTIC": Case(MAP, logistic),
    "CONV_2D": Case(MAP, conv2d),
}


def alone(case: Case) -> bytes:
    """The operator by itself."""
    writer = Writer(3)
    return writer.write(case.body(writer, writer.input(case.shape)))


def between(case: Case) -> bytes:
    """The operator between a binary convolution and a sign; outputs: what it reads, what it gives."""
    writer = Writer(3)
    t = writer.input(case.shape)
    twin = Writer(4)  # its own random numbers, so that the operator's constants are those of alone()
    writer.random, own = twin.random, writer.random
    channels = case.shape[-1]
    read = arithmetic(writer, "ADD", writer.bconv2d(writer.quantize(t), channels), t)
    writer.random = own
    given = case.body(writer, read)
    signs = writer.dequantize(writer.quantize(given), writer.shape(given)[-1])
    return writer.write(read, given, signs)


def sample(case: Case) -> np.ndarray:
    """Values of all sizes, zeros of both signs and denormals among them; none so large that a sum overflows."""
    random = np.random.default_rng(5)
    values = random.normal(size=case.shape) * 10.0 ** random.integers(-3, 3, case.shape)
    special = random.choice(np.float32([0.0, -0.0, 1e-40, -1e-40, 1.0, -1.0]), case.shape)
    return np.where(random.random(case.shape) < 0.05, special, values).astype(np.float32)
