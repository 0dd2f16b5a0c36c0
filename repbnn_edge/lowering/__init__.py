"""From a Keras network to flatbuffer bytes whose every binary layer is an LceBconv2d.

``lower`` reads the network into a ``Plan``, runs the exact rewrites of ``passes`` on it, and gives it to LCE's
converter. The truth is the mathematics of the source, not LCE: what LCE would get wrong is put in a form that it gets
right, or refused by the layer's name.
"""

from __future__ import annotations

from repbnn_edge.lowering.lowering import Lowered, lower_model

__all__ = ["Lowered", "lower_model"]
