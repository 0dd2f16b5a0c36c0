"""Keras layers of Rep-BNN and of the networks it grew from. Importing this package imports tensorflow and larq.

After ``import repbnn_edge``, ``.keras`` files and SavedModels with these layers load without ``custom_objects``.
"""

from repbnn_edge.layers.binary import BinaryView, binary_view, why_not_binary, why_not_sign
from repbnn_edge.layers.channelwise import (
    ChannelAffine,
    ChannelShift,
    PadChannels,
    PadMap,
    RepeatChannels,
    RPReLU,
    RSign,
)
from repbnn_edge.layers.mapwise import MapAffine, ResizeMap
from repbnn_edge.layers.quantizers import EDESign, LibraSign, ReCU, ReCUSign, TwoStepSign
from repbnn_edge.layers.rep_conv import RepConv2D
from repbnn_edge.layers.rep_dense import RepDense
from repbnn_edge.layers.training import EDESchedule, TauSchedule, set_training_step

__all__ = [
    "BinaryView",
    "ChannelAffine",
    "ChannelShift",
    "EDESchedule",
    "EDESign",
    "LibraSign",
    "MapAffine",
    "PadChannels",
    "PadMap",
    "RPReLU",
    "RSign",
    "ReCU",
    "ReCUSign",
    "RepConv2D",
    "RepDense",
    "RepeatChannels",
    "ResizeMap",
    "TauSchedule",
    "TwoStepSign",
    "binary_view",
    "set_training_step",
    "why_not_binary",
    "why_not_sign",
]
