"""From a run's checkpoint into the package: weights, model card and log, each figure measured on the converted file."""

from __future__ import annotations

import json
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import torch

from repbnn_edge.errors import BadInputError
from repbnn_edge.files import read_input, write_whole
from repbnn_edge.models import shipped
from repbnn_edge.reports import EvalReport, ModelCard
from repbnn_training import accuracy_page, exchange, store
from repbnn_training.data import MEAN, STD, Images, load, standardise
from repbnn_training.networks import ReCUResNet20

QUALITY = "CIFAR-10, JPEG-75, trained and tested"
"""The pixels that could be had; see docs/accuracy.md."""
TRAINING_IMAGES = 50_000


def trained(run: Path) -> tuple[ReCUResNet20, dict[str, Any]]:
    """The network of a run as it is now, in inference form, and the checkpoint that it came from.

    Raises:
        BadInputError: there is no checkpoint, or it is of no ReCU-ResNet-20 of full width.
    """
    state = store.load(run / store.CHECKPOINT)
    recipe = state["recipe"]
    if recipe["network"] != "recu-resnet20" or tuple(recipe["widths"]) != (16, 32, 64):
        why = f"it is of {recipe['network']} with widths {recipe['widths']}"
        raise BadInputError(str(run), why, "give a run of recu-resnet20 with 16, 32, 64")
    network = ReCUResNet20(recipe["beta"], normalise=recipe["normalise"])
    network.load_state_dict(state["network"])
    return network.eval(), state


@torch.no_grad()
def scores(network: ReCUResNet20, images: Images, batch: int = 100) -> np.ndarray[Any, Any]:
    """Logits (images, classes), float32."""
    parts = [network(standardise(images.pixels[i : i + batch])).numpy() for i in range(0, len(images), batch)]
    return np.concatenate(parts)


def box(run: Path, data: Path, into: Path | None = None, limit: int | None = None) -> ModelCard:
    """Put the weights of a run where ``convert`` finds them.

    They are written as safetensors, converted and proven, exported to ONNX, and run on the test images by PyTorch,
    onnxruntime, LCE's interpreter and stock LiteRT with our delegate; the card holds what came of it.

    Args:
        run: the folder of a run, finished or not.
        data: the folder with ``test.npz``.
        into: the folder of the weights; the package's by default.
        limit: use this many test images, to try things out.

    Raises:
        BadInputError: the run holds no such network, or has no log.
        VerificationError: the converted file is not what the weights say.
    """
    from safetensors.numpy import save_file

    import repbnn_edge

    into = into or shipped.FOLDER
    network, state = trained(run)
    log = read_input(run / store.LOG)
    name = f"{exchange.NETWORK}-beta{network.beta}"
    tensors = exchange.to_tensors(network)
    exchange.from_tensors(network, tensors)  # PyTorch too runs what is shipped
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        about = {"format": "repbnn-weights/1", "network": exchange.NETWORK, "beta": str(network.beta)}
        save_file(tensors, work / f"{name}.safetensors", metadata=about)
        repbnn_edge.convert(
            f"builtin:{exchange.NETWORK}",
            work / "net.tflite",
            beta=network.beta,
            weights=work / f"{name}.safetensors",
            mean=MEAN,
            std=STD,
        )
        repbnn_edge.torch.export(network, torch.zeros(1, 3, 32, 32), work / "net.onnx")
        np.save(work / "pytorch.npy", scores(network, load(data / "test.npz", torch.device("cpu"), limit)))
        report = repbnn_edge.evaluate(
            work / "net.tflite",
            data / "test.npz",
            runtimes=("litert", "lce"),
            source=work / "net.onnx",
            answers=[work / "pytorch.npy"],
            limit=limit,
        )
        weights = (work / f"{name}.safetensors").read_bytes()
    card = _card(name, state, report, len(weights))
    into.mkdir(parents=True, exist_ok=True)
    write_whole(into / f"{name}.safetensors", weights)
    write_whole(into / f"{name}.csv", log)
    write_whole(into / f"{name}.json", (json.dumps(card.to_json(), indent=1) + "\n").encode())
    write_whole(into / f"{name}.md", _page(card, report).encode())
    shipped.cards.cache_clear()
    if into == shipped.FOLDER:
        accuracy_page.update(shipped.cards())
    return card


def _card(name: str, state: dict[str, Any], report: EvalReport, size: int) -> ModelCard:
    by_name = {result.runtime: result for result in report.results}
    differing = {row.runtime: row.pictures for row in report.differences}
    images = by_name["litert"].samples
    recipe = state["recipe"]
    return ModelCard(
        network=exchange.NETWORK,
        beta=recipe["beta"],
        input_shape=(1, 32, 32, 3),
        weights=f"{name}.safetensors",
        bytes=size,
        data=QUALITY,
        test_images=images,
        top1=by_name["litert"].top1,
        top5=by_name["litert"].top5,
        source_top1=by_name["pytorch"].top1,
        agreement={**{runtime: 1 - count / images for runtime, count in differing.items()}, "all": report.agreement},
        recipe={key: list(value) if isinstance(value, tuple) else value for key, value in recipe.items()},
        seed=state["seed"],
        epochs=round(state["step"] * recipe["batch"] / TRAINING_IMAGES, 1),
        hours=round(state["seconds"] / 3600, 2),
        machine=state.get("machine", store.machine()),
        finished=state["progress"] >= 1 - 1e-9,
    )


def _page(card: ModelCard, report: EvalReport) -> str:
    rows = [
        f"| {r.runtime} | {r.version} | {r.top1:.2%} | {r.top5:.2%} |"
        for r in report.results
        if r.samples == card.test_images
    ]
    causes = [
        _point(
            f"{d.runtime}: {d.pictures} of {card.test_images:,} pictures with another answer than the source: "
            f"ties at a sign {d.tie}, float rounding before a sign {d.rounding}, behind the last {d.output}, "
            f"unexplained {d.unexplained}"
        )
        for d in report.differences
    ]
    recipe = ", ".join(f"{key} {value}" for key, value in card.recipe.items())
    state = "its schedule came to the end" if card.finished else "**taken before its schedule came to the end**"
    return "\n".join(
        [
            f"# {card.network}, beta {card.beta}",
            "",
            f"- weights: `{card.weights}`, {card.bytes:,} bytes: latent weights of the binary convolutions as float16,",
            "  the rest as float32",
            f"- data: {card.data}; the test images took no part in training",
            "  (the log looks at the first 2,000 of them now and then; docs/accuracy.md says what that decided)",
            f"- training: {card.epochs} epochs, {card.hours} hours on {card.machine}, seed {card.seed}; {state}",
            _point(f"recipe: {recipe}"),
            f"- log: `{Path(card.weights).stem}.csv`, a line an epoch",
            "",
            f"On {card.test_images:,} test images, the same pixels for all:",
            "",
            "| by | version | top-1 | top-5 |",
            "| --- | --- | ---: | ---: |",
            *rows,
            "",
            f"All four give the same answer on {report.agreement:.2%} of the pictures.",
            "",
            *causes,
            "",
            "`source` is the ONNX export, `pytorch` the network itself, `litert` stock LiteRT with our",
            "delegate, `lce` the interpreter of larq-compute-engine.",
            "",
            "Licence of the weights: that of this package. CIFAR-10: Krizhevsky, Learning Multiple Layers of Features",
            "from Tiny Images, 2009.",
            "",
        ]
    )


def _point(text: str) -> str:
    return textwrap.fill(f"- {text}", 120, subsequent_indent="  ")
