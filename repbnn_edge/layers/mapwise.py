"""Layers that know the size of a map: a number for each position, and another size."""

from __future__ import annotations

from typing import Any

from repbnn_edge.errors import UsageError
from repbnn_edge.layers.framework import Layer, serializable, tf


@serializable
class MapAffine(Layer):
    """``scale * x + shift`` with learnable numbers per row, column and channel; each can be left out.

    Networks whose binary maps are not centred (AdaBin) need it where zero padding makes the border differ.

    Args:
        scale: an initialiser, or None for no scale.
        shift: an initialiser, or None for no shift.

    Shapes: (N, H, W, C) float32 to the same; the map's size must be fixed.
    """

    def __init__(self, scale: Any = "ones", shift: Any = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale_initializer = None if scale is None else tf.keras.initializers.get(scale)
        self.shift_initializer = None if shift is None else tf.keras.initializers.get(shift)
        self.scale = self.shift = None

    def build(self, input_shape: Any) -> None:
        shape = tuple(tf.TensorShape(input_shape)[1:])
        if None in shape:
            raise UsageError(self.name, f"its input has the open shape {shape}", "give it a map of fixed size")
        if self.scale_initializer is not None:
            self.scale = self.add_weight(name="scale", shape=shape, initializer=self.scale_initializer)
        if self.shift_initializer is not None:
            self.shift = self.add_weight(name="shift", shape=shape, initializer=self.shift_initializer)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        x = inputs if self.scale is None else inputs * self.scale
        return x if self.shift is None else x + self.shift

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tf.TensorShape(input_shape)

    def get_config(self) -> dict[str, Any]:
        def serialized(initializer: Any) -> Any:
            return None if initializer is None else tf.keras.initializers.serialize(initializer)

        return {
            **super().get_config(),
            "scale": serialized(self.scale_initializer),
            "shift": serialized(self.shift_initializer),
        }


@serializable
class ResizeMap(Layer):
    """Bilinear interpolation to another size, without antialiasing.

    Args:
        size: (rows, columns) of the result.
        align_corners: the corner pixels' centres meet; else pixels are squares and the corners of the maps meet, as in
            ``torch.nn.functional.interpolate``.

    Shapes: (N, H, W, C) float32 to (N, rows, columns, C).

    Raises:
        UsageError: a size below 1.
    """

    def __init__(self, size: Any, align_corners: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = tuple(int(length) for length in size)
        if len(self.size) != 2 or min(self.size) < 1:
            raise UsageError(self.name, f"its size is {list(size)}", "give (rows, columns)")
        self.align_corners = bool(align_corners)

    def call(self, inputs: Any) -> Any:
        return tf.raw_ops.ResizeBilinear(
            images=inputs, size=self.size, align_corners=self.align_corners, half_pixel_centers=not self.align_corners
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tf.TensorShape(input_shape)
        return tf.TensorShape([shape[0], *self.size, shape[3]])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": list(self.size), "align_corners": self.align_corners}
