"""Given: affines in a row, each read by the next alone (scale, bias, batch norm, learned shift behind a convolution).
Result: one affine, composed in float64.

A repeat, a pooling or a concat between two of them keeps them apart: the first is then free in LCE, as the
convolution's own multiplier, while merging would move it behind, onto the wide map.
"""

from __future__ import annotations

import numpy as np

from repbnn_converters.onnx.network import Affine, Doubles, Layer, Network


def run(network: Network) -> None:
    """Apply the pass."""
    uses = network.uses()
    affines: dict[str, Affine] = {}
    merged: list[Layer] = []
    for layer in network.layers:
        if isinstance(layer, Affine):
            first = affines.get(layer.input)
            if first is not None and uses[layer.input] == 1:
                layer = _composed(first, layer)
            affines[layer.output] = layer
        merged.append(layer)
    network.layers = merged


def _composed(first: Affine, second: Affine) -> Affine:
    """second(first(x)); the first stays in the list until dead layers go."""
    return Affine(
        name=second.name,
        inputs=first.inputs,
        output=second.output,
        scale=_product(first.scale, second.scale),
        shift=_sum(_product(first.shift, second.scale) if first.shift is not None else None, second.shift),
    )


def _product(left: Doubles | None, right: Doubles | None) -> Doubles | None:
    if left is None or right is None:
        return right if left is None else left
    return left * right


def _sum(left: Doubles | None, right: Doubles | None) -> Doubles | None:
    if left is None or right is None:
        return right if left is None else left
    return np.asarray(left + right)
