"""Labelled pictures from outside: folders, ``.npz`` and CIFAR's binary files, opened without pickle and checked.

``open_dataset(path)`` gives a ``Dataset``; a picture is decoded when it is asked for.
"""

from repbnn_edge.datasets.dataset import Dataset, open_dataset
from repbnn_edge.datasets.pixels import to_input

__all__ = ["Dataset", "open_dataset", "to_input"]
