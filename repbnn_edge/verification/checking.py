"""Proves or refutes that a file is its source: every binary layer in integers, every float stretch, then end to end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import UnsupportedError
from repbnn_edge.reports import VerificationReport
from repbnn_edge.tflite import lce, schema
from repbnn_edge.tflite.schema import Model
from repbnn_edge.verification import verdict
from repbnn_edge.verification.binary_check import BinaryCheck
from repbnn_edge.verification.end_to_end import EndToEnd
from repbnn_edge.verification.float_check import FLOAT32_TOLERANCE, FloatCheck
from repbnn_edge.verification.float_weights import adapt, find_shrunk, with_float32_weights
from repbnn_edge.verification.forcing import Anchor, ForcedFile, find_anchors
from repbnn_edge.verification.hybrid_check import HybridCheck
from repbnn_edge.verification.integers import layer_integers
from repbnn_edge.verification.matching import Match, match
from repbnn_edge.verification.own_flips import OwnFlips
from repbnn_edge.verification.reference import OUTPUT, Floats, Reference
from repbnn_edge.verification.second_runtime import SecondRuntime

_BYTES_AT_ONCE = 512 << 20


def check_file(
    reference: Reference, data: bytes, batch: Floats, *, preprocessing_equal: bool = True
) -> VerificationReport:
    """Judge a file against its source.

    Args:
        reference: the source.
        data: the file.
        batch: preprocessed inputs, float32 (N, H, W, C).
        preprocessing_equal: whether the file says the same of it as the source; part of the verdict.

    Returns:
        the report; ``failures`` names the layer of everything that is wrong.

    Raises:
        BadInputError: the file is broken.
    """
    model = schema.load(data)
    problem = _wrong_ends(model, reference)
    if problem:
        return verdict.refusal(reference, len(batch), preprocessing_equal, [problem])
    operators = [lce.read_bconv2d(model, operator) for operator in model.operators if operator.op == lce.BCONV]
    matches, problems = match(model, operators, reference.binary_layers)
    try:
        return _Judge(model, reference, matches, problems).judge(batch, preprocessing_equal)
    except UnsupportedError as error:  # the file does not run as it is, let alone right
        return verdict.refusal(reference, len(batch), preprocessing_equal, [*problems, str(error)])


def _wrong_ends(model: Model, reference: Reference) -> str:
    shapes = [(model.tensors[index].shape, model.tensors[index].type) for index in model.inputs]
    wanted = ((1, *reference.input_shape), "float32")
    if shapes != [wanted]:
        given = ", ".join(f"{kind} {list(shape)}" for shape, kind in shapes)
        return f"input: the file takes {given}, the source {wanted[1]} {list(wanted[0])}"
    if len(model.outputs) != 1:
        return f"output: the file has {len(model.outputs)}, the source has one"
    return ""


class _Judge:
    def __init__(self, model: Model, reference: Reference, matches: Sequence[Match], problems: list[str]) -> None:
        shrunk = find_shrunk(model)
        adapted = adapt(reference, shrunk)
        self._reference, self._rounding = adapted.reference, adapted.rounding
        self._model, self._as_it_is = with_float32_weights(model, shrunk), model
        self._hybrid = [HybridCheck(model, item, adapted.names) for item in shrunk if item.kind == "int8"]
        self._matches, self._problems = matches, [*problems, *adapted.problems]

    def judge(self, batch: Floats, preprocessing_equal: bool) -> VerificationReport:
        first = self._reference.run(batch[:1])
        shapes = {name: values.shape for name, values in first.items()}
        anchors, misfits = find_anchors(self._model, self._matches, shapes)
        self._file = ForcedFile(self._model, anchors, self._hybrid_ends())
        self._binary = [BinaryCheck(self._model, m, reason=misfits.get(m.layer.name, "")) for m in self._matches]
        self._floats = self._float_checks()
        self._ends = EndToEnd(self._as_it_is, anchors)
        names = {match.operator.index: match.layer.name for match in self._matches}
        self._second = SecondRuntime(self._file, names)
        own = OwnFlips(self._reference)
        zeros = 0
        for taps, samples in self._chunks(batch, first):
            zeros += self._exact_zeros(taps)
            self._see(taps, samples)
            own.see(taps, samples)
        report = verdict.verdict(
            verdict.Evidence(
                model=self._model,
                reference=self._reference,
                binary=self._binary,
                floats=self._floats,
                hybrid=self._hybrid,
                ends=self._ends,
                second=self._second.report,
                problems=[*self._problems, *self._uncovered(), *self._second.problems],
                samples=len(batch),
                exact_zeros=zeros,
                preprocessing_equal=preprocessing_equal,
            )
        )
        return report.model_copy(update={"notes": {**report.notes, **own.notes}})

    def _chunks(
        self, batch: Floats, first: Mapping[str, NDArray[Any]]
    ) -> Iterator[tuple[Mapping[str, NDArray[Any]], Floats]]:
        """As many samples at once as fit the memory; the first sample's taps are there already."""
        size = 3 * sum(values.nbytes for values in first.values()) or 1
        step = max(1, min(len(batch), _BYTES_AT_ONCE // size))
        yield first, batch[:1]
        for start in range(1, len(batch), step):
            samples = batch[start : start + step]
            yield self._reference.run(samples), samples

    def _float_checks(self) -> list[FloatCheck]:
        checks = []
        known: list[tuple[int, Anchor | None]] = [(anchor.tensor, anchor) for anchor in self._file.anchors]
        for tensor, anchor in [*known, (self._model.outputs[0], None)]:
            cone = self._file.cones[tensor]
            checks.append(FloatCheck(tensor, anchor, cone, tolerance=self._tolerance(cone)))
        return checks

    def _hybrid_ends(self) -> list[int]:
        ends = [tensor for check in self._hybrid for tensor in check.tensors]
        return [tensor for tensor in ends if tensor not in self._model.inputs]

    def _tolerance(self, cone: frozenset[int]) -> float:
        return FLOAT32_TOLERANCE + sum(self._rounding.get(index, 0.0) for index in cone)

    def _exact_zeros(self, taps: Mapping[str, NDArray[Any]]) -> int:
        names = {layer.sign_input for layer in self._reference.binary_layers if not layer.exact_at_zero}
        return sum(int((taps[name] == 0).sum()) for name in names)

    def _see(self, taps: Mapping[str, NDArray[Any]], samples: Floats) -> None:
        feeds = {a.tensor: a.feed(taps[a.layers[0].sign_input]) for a in self._file.anchors}
        outputs = []
        for place in range(len(samples)):
            one = slice(place, place + 1)
            inputs = self._file.inputs(samples[one], {tensor: values[one] for tensor, values in feeds.items()})
            got = self._file.run(inputs)
            self._second.see(inputs, got)
            for check in self._floats:
                for name in _taps_of(check.anchor):
                    check.see(got[check.tensor], taps[name][one])
            for hybrid in self._hybrid:
                hybrid.see({self._model.inputs[0]: samples[one], **got})
            outputs.append(self._binary_outputs(got))
            self._ends.see(samples[one], {name: values[one] for name, values in taps.items()})
        self._see_integers(taps, outputs)

    def _binary_outputs(self, got: Mapping[int, NDArray[Any]]) -> dict[int, NDArray[Any]]:
        wanted = [check.match.operator.output for check in self._binary]
        return {tensor: got[tensor] for tensor in wanted if tensor in got}

    def _see_integers(self, taps: Mapping[str, NDArray[Any]], outputs: Sequence[Mapping[int, NDArray[Any]]]) -> None:
        by_layer: dict[str, list[BinaryCheck]] = {}
        for check in self._binary:
            if not check.reason and check.match.operator.output in outputs[0]:
                by_layer.setdefault(check.match.layer.name, []).append(check)
        for checks in by_layer.values():
            layer = checks[0].match.layer
            integers = taps.get(layer.integers_tap)
            if integers is None:
                integers = layer_integers(layer, taps[layer.sign_input])
            for check in checks:
                tensor = check.match.operator.output
                check.see(np.concatenate([output[tensor] for output in outputs]), integers)

    def _uncovered(self) -> list[str]:
        """Operators that no check reaches: they would be believed unseen."""
        covered = frozenset().union(*(check.cone for check in self._floats))
        return [
            f"operator {operator.index} ({operator.op}): no check reaches it"
            for operator in self._model.operators
            if operator.index not in covered
        ]


def _taps_of(anchor: Anchor | None) -> list[str]:
    if anchor is None:
        return [OUTPUT]
    return list(dict.fromkeys(layer.sign_input for layer in anchor.layers))
