"""The passes over our IR, in the order in which they run; one pass a module."""

from __future__ import annotations

from collections.abc import Callable

from repbnn_converters.onnx.network import Network
from repbnn_converters.onnx.network_passes import dead_layers, merge_affines

PIPELINE: tuple[Callable[[Network], None], ...] = (
    # First: a map that only a sign's other form reads must not keep an affine from merging.
    dead_layers.run,
    merge_affines.run,
    dead_layers.run,
)


def run_all(network: Network) -> None:
    """Run the pipeline."""
    for run in PIPELINE:
        run(network)
