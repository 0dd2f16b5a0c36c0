"""The networks of larq-zoo, built without their weights: what RepTran, lowering and proofs are tried on.

larq-zoo is not a dependency: it wants a protobuf from before TensorFlow 2.19. Installed without its dependencies it
works (docs/transform.md has the line), and this package adapts what is left: a stand-in for tensorflow_datasets, which
larq-zoo imports and building a network never uses, and Python Lambdas, which become TensorFlow functions.

::

    model = build("QuickNet", input_shape=(64, 64, 3))     # seeded, calibrated
    calibrate(model)                                       # any Keras model, after RepTran for instance
    sign_shares(model, batch)                              # {layer: share of -1 at its sign}
"""

from __future__ import annotations

from repbnn_edge.zoo.calibration import calibrate, noise, sign_shares
from repbnn_edge.zoo.networks import NETWORKS, ZooNetwork, build

__all__ = ["NETWORKS", "ZooNetwork", "build", "calibrate", "noise", "sign_shares"]
