"""Given: layers whose values nobody reads (a hardtanh that only a sign read, which now reads behind it).
Result: they are gone.
"""

from __future__ import annotations

from repbnn_converters.onnx.network import Network


def run(network: Network) -> None:
    """Apply the pass."""
    live = {network.output}
    kept = []
    for layer in reversed(network.layers):
        if layer.output in live:
            kept.append(layer)
            live.update(layer.inputs)
    network.layers = kept[::-1]
