"""Small networks whose binary layers give whole numbers, so that two right answers are the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from repbnn_edge import stack
from repbnn_edge.lowering.plan import Plan, Step

tf = stack.tensorflow()
lq = stack.larq()
K = tf.keras.layers


def binary_conv(filters: int = 8, size: Any = 3, **changes: Any) -> Any:
    """A larq convolution of +-1 weights with a sign of its own."""
    fields = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "use_bias": False, "padding": "same"}
    return lq.layers.QuantConv2D(filters, size, **{**fields, **changes})


def model(shape: tuple[int, ...], *layers: Any) -> Any:
    """A Sequential model with reproducible weights."""
    network = tf.keras.Sequential([tf.keras.Input(shape), *layers])
    return seeded(network)


def seeded(network: Any, seed: int = 0) -> Any:
    """Every weight drawn again; batch norms made such that both signs occur behind them."""
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        if isinstance(layer, K.BatchNormalization):
            width = layer.gamma.shape[0]
            values = [rng.uniform(0.5, 1.5, width), rng.normal(size=width), rng.normal(size=width), np.full(width, 9.0)]
            layer.set_weights([v.astype(np.float32) for v in values])
        else:
            layer.set_weights([rng.normal(size=w.shape).astype(np.float32) for w in layer.get_weights()])
    return network


def images(network: Any, count: int = 2, seed: int = 1) -> Any:
    """Inputs for a network."""
    return np.random.default_rng(seed).normal(size=(count, *network.input_shape[1:])).astype(np.float32)


def expected(network: Any, batch: Any) -> Any:
    """What the network itself gives."""
    return np.asarray(network(batch, training=False))


def kinds(plan: Plan) -> list[str]:
    """The steps' classes, a layer's class for a call."""
    return [_kind(step) for step in plan.steps]


def _kind(step: Step) -> str:
    return type(getattr(step, "layer", step)).__name__ if type(step).__name__ == "Call" else type(step).__name__


def lce_outputs(data: bytes, batch: Any) -> Any:
    """What LCE's interpreter gives for each sample."""
    stack.larq_compute_engine()
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    interpreter = Interpreter(data, num_threads=1)
    return np.concatenate([np.asarray(interpreter.predict(sample[None])) for sample in batch])
