"""What the commands return: the objects behind ``--json``, field names as docs/json.md lists them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SourceKind = Literal["onnx", "keras", "savedmodel", "builtin", "python"]


class Report(BaseModel):
    """Base of all reports: immutable, and unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return self.model_dump(mode="json")


class SourceReport(Report):
    """Where a file came from."""

    kind: SourceKind
    name: str
    sha256: str


class CountPair(Report):
    """A number of the binary part and of the full-precision part."""

    binary: int
    float: int


class BinaryConvolutions(Report):
    """Binary convolutions and dense layers in the source, and how many of them are LceBconv2d in the file."""

    found: int
    binary: int


class LayerCheck(Report):
    """One line of a verification: a binary layer (integers) or a stretch of float layers (relative error)."""

    name: str
    binary: bool
    passed: bool
    wrong_elements: int = 0
    elements: int = 0
    max_error: float = 0.0
    detail: str = ""


class SecondRuntimeCheck(Report):
    """The file in stock LiteRT with our delegate, fed at every sign as LCE's interpreter was.

    ``detail`` says why it could not run there: that refutes no file. Outputs that differ do.
    """

    name: str
    implementation: str | None
    partitions: int
    binary_outputs: int
    exact_binary_outputs: int
    max_float_difference: float
    passed: bool
    detail: str = ""


class VerificationReport(Report):
    """Teacher-forced proof, layer by layer, and what happens end to end; see docs/verify.md."""

    passed: bool
    binary_layers: int
    exact_binary_layers: int
    max_float_error: float
    flipped_bit_rate: float
    top1_agreement: float
    samples: int
    sign_zeros: int
    preprocessing_equal: bool = True
    failures: list[str] = []
    layers: list[LayerCheck] = []
    second_runtime: SecondRuntimeCheck | None = None
    notes: dict[str, Any] = {}


class Seconds(Report):
    """Wall time of the three parts of a conversion."""

    load: float
    convert: float
    verify: float


class ConvertReport(Report):
    """The result of ``convert`` and of ``verify``."""

    output: str
    bytes: int
    source: SourceReport
    beta: int | None
    binary_convolutions: BinaryConvolutions
    macs: CountPair
    parameters: CountPair
    seconds: Seconds
    verification: VerificationReport | None
    warnings: list[str] = []


class ModelCard(Report):
    """Trained weights that come with the package.

    Accuracies are fractions of all ``test_images``: ``top1`` and ``top5`` of the converted file in stock LiteRT with
    our delegate, ``source_top1`` of the network in the framework that trained it; ``agreement`` says by runtime on
    which fraction of the pictures its answer is that of the ONNX export in onnxruntime, and with ``all`` on which
    everybody's is the same. ``recipe`` holds its name and numbers, ``hours`` is wall time, ``data`` says what it was
    trained and tested on.
    """

    network: str
    beta: int
    input_shape: tuple[int, ...]
    weights: str
    bytes: int
    data: str
    test_images: int
    top1: float
    top5: float
    source_top1: float
    agreement: dict[str, float]
    recipe: dict[str, Any]
    seed: int
    epochs: float
    hours: float
    machine: str
    finished: bool


class ModelEntry(Report):
    """One built-in network at its default beta.

    ``trained`` is the card of the weights that come with the package, with ``other_betas``: top-1 by beta of those
    trained the same way; None where the weights are seeded.
    """

    name: str
    beta: int
    input_shape: tuple[int, ...]
    trained: dict[str, Any] | None
    parameters: CountPair
    macs: CountPair
    summary: str
    data: str


class ModelsReport(Report):
    """The result of ``models``."""

    models: list[ModelEntry]


class EvalResult(Report):
    """One runtime on one data set; ``top1`` and ``top5`` are fractions, ``confusion[label][answer]`` counts.

    ``images_per_second`` is 0 for answers that came in a file.
    """

    runtime: str
    version: str
    threads: int
    samples: int
    top1: float
    top5: float
    images_per_second: float
    confusion: list[list[int]] | None = None


class EvalDifference(Report):
    """Pictures whose top-1 in a runtime is not the source's, counted by what made the first bit differ.

    ``tie``: the source had exactly 0 before a sign; ``rounding``: a value so near 0 that float32 rounding decides;
    ``output``: no bit differs, only the last float layers; ``unexplained``: none of these, which would be a fault.
    """

    runtime: str
    pictures: int
    tie: int
    rounding: int
    output: int
    unexplained: int


class EvalReport(Report):
    """The result of ``eval``; ``agreement`` is the fraction of pictures on which all results have the same top-1.

    ``results`` begins with the source and with answers from elsewhere, where they were given; ``differences`` has an
    entry for each runtime where there is a source; ``labels`` are the file's class names, in the order of
    ``confusion``, empty where it has none.
    """

    file: str
    data: str
    results: list[EvalResult]
    agreement: float
    differences: list[EvalDifference] = []
    labels: list[str] = []


class DemoPicture(Report):
    """A picture, what it shows and what the network said; ``score`` is the softmax of the answer."""

    truth: str
    answer: str
    score: float


class DemoReport(Report):
    """The result of ``demo``; ``latency_ms`` has the fastest run of ``litert`` (with our delegate) and ``lce``.

    ``trained`` is what ``models`` says of the network's weights, None where they are seeded.
    """

    conversion: ConvertReport
    float32_bytes: int
    trained: dict[str, Any] | None
    pictures: list[DemoPicture]
    latency_ms: dict[str, float]
    implementation: str | None
