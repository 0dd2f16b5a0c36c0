"""The page behind ``demo``, and what a demo found in sentences, for the page and for the terminal."""

from __future__ import annotations

import base64

from repbnn_edge import samples
from repbnn_edge.datasets import open_dataset
from repbnn_edge.htmlreport import environment
from repbnn_edge.reports import DemoReport

_RUNTIMES = {"litert": "stock LiteRT, our delegate", "lce": "LCE's interpreter"}


def render(report: DemoReport) -> str:
    """A whole HTML document: pictures, answers, latency against LCE, size against float32; nothing is fetched."""
    names = open_dataset(samples.FOLDER).file_names
    pictures = [
        {
            "data": base64.b64encode((samples.FOLDER / f"{name}.jpg").read_bytes()).decode(),
            "truth": picture.truth,
            "answer": picture.answer,
            "score": f"{picture.score:.0%}",
            "right": picture.answer == picture.truth,
        }
        for name, picture in zip(names, report.pictures, strict=False)
    ]
    bars = {
        "Latency": _bars({_RUNTIMES[name]: ms for name, ms in report.latency_ms.items()}, "ms"),
        "Size": _bars(
            {"the converted file": report.conversion.bytes / 1e6, "weights in float32": report.float32_bytes / 1e6},
            "MB",
        ),
    }
    notes = {"Latency": speed(report), "Size": size(report)}
    template = environment().get_template("demo.html.j2")
    return str(template.render(report=report, pictures=pictures, bars=bars, notes=notes, accuracy=accuracy(report)))


def size(report: DemoReport) -> str:
    """The file's, and that of the same weights in float32."""
    return f"{report.conversion.bytes / 1e6:.2f} MB; its weights in float32 are {report.float32_bytes / 1e6:.2f} MB"


def speed(report: DemoReport) -> str:
    """Of one picture, here and in LCE's interpreter."""
    lce = report.latency_ms["lce"]
    ours = report.latency_ms.get("litert")
    if ours is None:
        return f"{lce:.2f} ms in LCE's interpreter; this installation has no delegate (repbnn-edge doctor says why)"
    return f"{ours:.2f} ms in stock LiteRT with our delegate, {lce:.2f} ms in LCE's interpreter: {lce / ours:.1f} times"


def accuracy(report: DemoReport) -> str | None:
    """Of the pictures shown, and of the test set; None where the network is not trained."""
    trained = report.trained
    if trained is None:
        return None
    right = sum(picture.answer == picture.truth for picture in report.pictures)
    others = "".join(f", beta {beta} trained the same way {top1:.1%}" for beta, top1 in trained["other_betas"].items())
    known = f"{trained['top1']:.1%} of {trained['test_images']:,} test pictures{others} ({trained['data']})"
    return f"{right} of the {len(report.pictures)} above are right; {known}"


def _bars(values: dict[str, float], unit: str) -> list[tuple[str, str, float]]:
    """Name, value in words, and share of the largest in percent."""
    largest = max(values.values())
    return [(name, f"{value:.2f} {unit}", 100 * value / largest) for name, value in values.items()]
