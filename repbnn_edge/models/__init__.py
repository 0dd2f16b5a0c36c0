"""The built-in networks. Listing and describing them imports no framework; ``build`` imports tensorflow and larq.

::

    list_models()                                   # a report: names, betas, input shapes, weights, MACs
    build("rep-recu-resnet20")                      # a Keras model, beta 2, trained where the package has weights
    build("rep-recu-resnet20", weights="seeded")    # with weights that only behave
    build("rep-recu-resnet20", beta=1)              # the original network
    build("rep-recu-resnet20", weights="w.safetensors")
    describe("rep-recu-resnet20", 2)                # the same as data
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbnn_edge.datasets.known import Images
from repbnn_edge.models import shipped
from repbnn_edge.models.catalog import CATALOG, Entry, beta_of, describe, entry_of, input_shape_of
from repbnn_edge.models.description import Description, Node
from repbnn_edge.reports import CountPair, ModelEntry, ModelsReport

__all__ = [
    "CATALOG",
    "SEEDED",
    "Description",
    "Entry",
    "Images",
    "Node",
    "build",
    "describe",
    "entry_of",
    "list_models",
    "weights_file",
]

SEEDED = "seeded"
"""Given as weights: none that were trained, even where the package has them."""


def list_models() -> ModelsReport:
    """All built-in networks at their default beta and input shape."""
    entries = []
    for name, entry in CATALOG.items():
        description = describe(name)
        binary, real = description.parameters()
        binary_macs, real_macs = description.macs()
        entries.append(
            ModelEntry(
                name=name,
                beta=description.beta,
                input_shape=(1, *description.nodes[0].shape),
                trained=_trained(name, description),
                parameters=CountPair(binary=binary, float=real),
                macs=CountPair(binary=binary_macs, float=real_macs),
                summary=entry.summary,
                data=entry.images.name,
            )
        )
    return ModelsReport(models=entries)


def _trained(name: str, description: Description) -> dict[str, Any] | None:
    card = shipped.card_of(name, description.beta, entry_of(name).images.shape)
    if card is None:
        return None
    others = {str(beta): other.top1 for (network, beta), other in shipped.cards().items() if network == name}
    others.pop(str(description.beta))
    return {**card.model_dump(mode="json"), "other_betas": others}


def build(
    name: str,
    beta: int | None = None,
    input_shape: tuple[int, ...] | None = None,
    weights: str | Path | None = None,
) -> Any:
    """A built-in network as a Keras functional model (None, height, width, 3) -> (None, classes) logits.

    Args:
        name: as ``list_models`` gives it.
        beta: the repeat factor; 1 is the original network, None the paper's 2.
        input_shape: (height, width, 3) or (1, height, width, 3); None is the data set's.
        weights: a ``.safetensors`` or ``.weights.h5`` file, or ``"seeded"``: calibrated to behave, good for sizes,
            times and proofs. None gives the trained weights of the package where it has some for this network, beta
            and image size, else seeded ones.

    Raises:
        BadInputError: an unknown name; weights that are broken or of another network or beta.
        UsageError: beta or input shape outside their range.
        UnsupportedError: beta does not divide the filters of a layer, which it names.
    """
    entry = entry_of(name)
    shape = input_shape_of(entry, input_shape)
    description = describe(name, beta_of(entry, beta), shape)
    from repbnn_edge.models.calibration import calibrated_weights
    from repbnn_edge.models.keras_network import keras_network
    from repbnn_edge.models.weights import assign, load_weights

    model = keras_network(description, name)
    file = weights_file(name, description.beta, shape, weights)
    if file is None:
        assign(model, calibrated_weights(name, description))
    else:
        load_weights(model, name, description, file)
    return model


def weights_file(name: str, beta: int, input_shape: tuple[int, int, int], weights: str | Path | None) -> Path | None:
    """The file that ``build`` takes weights from; None for seeded ones."""
    if weights is not None:
        return None if str(weights) == SEEDED else Path(weights)
    card = shipped.card_of(name, beta, input_shape)
    return None if card is None else shipped.weights_of(card)
