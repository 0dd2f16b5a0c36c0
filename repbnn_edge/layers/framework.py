"""Keras 2 and larq as the layers of this package use them; base classes as ``Any``, since neither ships types."""

from __future__ import annotations

from typing import Any

from repbnn_edge import stack

tf = stack.tensorflow()
lq = stack.larq()

Layer: Any = tf.keras.layers.Layer
Callback: Any = tf.keras.callbacks.Callback
Quantizer: Any = lq.quantizers.Quantizer
QuantConv2D: Any = lq.layers.QuantConv2D
QuantDense: Any = lq.layers.QuantDense

serializable = tf.keras.utils.register_keras_serializable(package="repbnn")
"""Class decorator: Keras writes the class as ``repbnn>NAME`` and finds it again under that name."""
