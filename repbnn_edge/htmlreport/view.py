"""What the page shows, worked out before the template sees it: words, shares and places on an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import groupby

from repbnn_edge.inspection import InspectReport, OperatorRow
from repbnn_edge.reports import ConvertReport, LayerCheck, VerificationReport

# The error axis: 1e-10 stands at the left, 1 at the right, in percent of the plot's width.
_DECADES = 10
_LEFT, _RIGHT = 2.0, 97.0
FLOAT_LIMIT = 1e-4


@dataclass(frozen=True)
class Tile:
    """A number at the top."""

    name: str
    value: str
    note: str


@dataclass(frozen=True)
class Part:
    """A piece of a stacked bar: its share in percent."""

    name: str
    kind: str
    share: float
    value: str


@dataclass(frozen=True)
class Chip:
    """An operator in the diagram: with a label if it computes, a mere tick if it moves memory."""

    kind: str
    label: str
    title: str


@dataclass(frozen=True)
class Stage:
    """Operators in a row whose maps have one size."""

    name: str
    chips: list[Chip]


@dataclass(frozen=True)
class ErrorRow:
    """One line of the error plot; ``x`` is where its error stands on the axis, in percent."""

    name: str
    kind: str
    x: float
    word: str
    title: str


@dataclass(frozen=True)
class Plot:
    """The error plot."""

    rows: list[ErrorRow]
    left: float
    limit: float
    ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Page:
    """All of it."""

    title: str
    verdict: str
    verdict_kind: str
    summary: str
    tiles: list[Tile]
    bytes_parts: list[Part]
    ops_parts: list[Part]
    stages: list[Stage]
    plot: Plot | None
    facts: list[tuple[str, str]] = field(default_factory=list)


def page(report: ConvertReport, inspection: InspectReport) -> Page:
    """Work out the page."""
    verdict, kind, summary = _verdict(report)
    return Page(
        title=report.source.name,
        verdict=verdict,
        verdict_kind=kind,
        summary=summary,
        tiles=_tiles(report, inspection),
        bytes_parts=_bytes_parts(inspection),
        ops_parts=_ops_parts(inspection),
        stages=_stages(inspection.operators),
        plot=_plot(report.verification.layers) if report.verification and report.verification.layers else None,
        facts=_facts(report, inspection),
    )


def _verdict(report: ConvertReport) -> tuple[str, str, str]:
    proof = report.verification
    if proof is None:
        return "not verified", "unknown", "This file was written with --no-verify: nothing is known of it."
    what = f"{proof.exact_binary_layers} of {proof.binary_layers} binary layers equal the source in every element"
    of = f"of {proof.samples} samples; float layers differ by {_scientific(proof.max_float_error)} at most."
    return ("proven" if proof.passed else "not proven"), ("good" if proof.passed else "bad"), f"{what} {of}"


def _tiles(report: ConvertReport, inspection: InspectReport) -> list[Tile]:
    saved = inspection.float32_equivalent_bytes / max(1, inspection.bytes)
    tiles = [
        Tile("file", _megabytes(inspection.bytes), f"{saved:.1f} times smaller than its weights as float32"),
        Tile(
            "binary layers",
            f"{report.binary_convolutions.binary} / {report.binary_convolutions.found}",
            "in the file / in the source",
        ),
        Tile("1-bit MACs", _big(inspection.macs.binary), f"{inspection.binary_mac_ratio:.2%} of all MACs"),
        Tile("32-bit MACs", _big(inspection.macs.float), "convolutions and dense layers"),
        Tile("OPs", f"{inspection.ops / 1e8:.3f}e8", "32-bit + 1-bit / 64"),
        Tile(
            "unfused float work",
            _megabytes(inspection.elementwise.activation_bytes),
            f"moved by {inspection.elementwise.operators} operators between the layers",
        ),
    ]
    return tiles + _proof_tiles(report.verification)


def _proof_tiles(proof: VerificationReport | None) -> list[Tile]:
    if proof is None:
        return []
    return [
        Tile("top-1 agreement", f"{proof.top1_agreement:.1%}", f"end to end, {proof.samples} samples"),
        Tile("flipped bits", f"{proof.flipped_bit_rate:.2e}", "end to end, of all bits that signs give"),
    ]


def _bytes_parts(inspection: InspectReport) -> list[Part]:
    weights = inspection.weight_bytes
    rest = max(0, inspection.bytes - weights.binary - weights.float)
    return _parts(
        [
            ("1-bit weights", "binary", weights.binary, _megabytes(weights.binary)),
            ("other constants", "float", weights.float, _megabytes(weights.float)),
            ("structure, names, labels", "other", rest, _megabytes(rest)),
        ]
    )


def _ops_parts(inspection: InspectReport) -> list[Part]:
    """Shares of the OPs: a 1-bit MAC counts a 64th."""
    binary = inspection.macs.binary // 64
    return _parts(
        [
            ("1-bit / 64", "binary", binary, _big(binary)),
            ("32-bit", "float", inspection.macs.float, _big(inspection.macs.float)),
        ]
    )


def _parts(parts: list[tuple[str, str, int, str]]) -> list[Part]:
    total = max(1, sum(size for _, _, size, _ in parts))
    return [Part(name, kind, 100 * size / total, value) for name, kind, size, value in parts if size]


def _stages(rows: list[OperatorRow]) -> list[Stage]:
    return [
        Stage(name, [_chip(row) for row in group])
        for name, group in ((n, list(g)) for n, g in groupby(rows, key=_size))
    ]


def _size(row: OperatorRow) -> str:
    """By what an operator reads: a pool or a stride ends its stage."""
    shapes = row.input_shapes or row.output_shapes
    shape = shapes[0] if shapes else []
    return f"{shape[1]} x {shape[2]}" if len(shape) == 4 else "vector"


def _chip(row: OperatorRow) -> Chip:
    label = ""
    if row.macs:
        before, after = (
            shapes[0][-1] if shapes and shapes[0] else 0 for shapes in (row.input_shapes, row.output_shapes)
        )
        label = f"{_word(row.op)} {before * 32 if row.binary else before} → {after}"
    shapes = " + ".join("x".join(map(str, shape)) for shape in row.output_shapes)
    details = [f"{row.macs:,} MACs"] if row.macs else [f"moves {row.activation_bytes / 1e3:,.1f} kB"]
    if row.weight_bytes:
        details.append(f"{row.weight_bytes:,} bytes of constants")
    return Chip(row.kind, label, f"{row.index} {row.op} {shapes}: {', '.join(details)}")


def _word(op: str) -> str:
    return {
        "LceBconv2d": "bconv",
        "CONV_2D": "conv",
        "DEPTHWISE_CONV_2D": "dw conv",
        "TRANSPOSE_CONV": "deconv",
        "FULLY_CONNECTED": "dense",
    }.get(op, op.lower())


def _plot(layers: list[LayerCheck]) -> Plot:
    rows = [_error_row(layer) for layer in layers]
    ticks = [(_place(10.0**-power), "1" if power == 0 else f"1e-{power}") for power in range(_DECADES, -1, -2)]
    return Plot(rows, _LEFT, _place(FLOAT_LIMIT), ticks)


def _error_row(layer: LayerCheck) -> ErrorRow:
    share = layer.wrong_elements / max(1, layer.elements)
    size = share if layer.binary else layer.max_error
    if layer.binary:
        word = "exact" if layer.passed and not layer.wrong_elements else f"{share:.2%} wrong"
    else:
        word = _scientific(layer.max_error)
    detail = f" ({layer.detail})" if layer.detail else ""
    counted = f"{layer.wrong_elements:,} of {layer.elements:,} elements wrong" if layer.binary else f"error {word}"
    return ErrorRow(
        name=layer.name,
        kind="bad" if not layer.passed else "binary" if layer.binary else "float",
        x=_place(size),
        word=word,
        title=f"{layer.name}: {counted}{detail}",
    )


def _place(error: float) -> float:
    """Percent of the plot's width at which an error stands; none at all, and less than 1e-10, stand at the left."""
    if not math.isfinite(error):
        return _RIGHT
    if error <= 0:
        return _LEFT
    share = min(1.0, max(0.0, 1 + math.log10(error) / _DECADES))
    return round(_LEFT + share * (_RIGHT - _LEFT), 2)


def _facts(report: ConvertReport, inspection: InspectReport) -> list[tuple[str, str]]:
    seconds, about = report.seconds, inspection.metadata
    facts = [
        ("file", f"{report.output} ({inspection.bytes:,} bytes)"),
        ("sha256", inspection.sha256),
        ("source", f"{report.source.kind} {report.source.name}"),
        ("source sha256", report.source.sha256),
        ("beta", "not one number" if report.beta is None else str(report.beta)),
        ("parameters of the source", f"{report.parameters.binary:,} 1-bit, {report.parameters.float:,} 32-bit"),
        ("input", ", ".join(f"{tensor.type} {tensor.shape}" for tensor in inspection.inputs)),
        ("output", ", ".join(f"{tensor.type} {tensor.shape}" for tensor in inspection.outputs)),
    ]
    if about.mean is not None and about.std is not None:
        mean, std = (", ".join(f"{value:g}" for value in values) for values in (about.mean, about.std))
        facts.append(("preprocessing", f"(pixel - [{mean}]) / [{std}], pixels 0..255, RGB"))
    if about.labels:
        facts.append(("labels", f"{len(about.labels)}: {', '.join(about.labels[:5])}, ..."))
    if about.provenance is not None:
        facts.append(("weights behind the last sign", about.provenance.float_weights))
        facts += [("lowered in another form", text) for text in about.provenance.corrections]
        facts += [(f"version of {name}", version) for name, version in sorted(about.provenance.versions.items())]
    if report.verification is not None:
        facts.append(("exact zeros at signs", f"{report.verification.sign_zeros:,} (+1 in the file)"))
    times = f"load {seconds.load:.1f} s, convert {seconds.convert:.1f} s, verify {seconds.verify:.1f} s"
    return [*facts, ("time", times)]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _big(number: int) -> str:
    for unit, word in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {word}"
    return str(number)


def _scientific(number: float) -> str:
    return "0" if number == 0 else f"{number:.1e}"
