"""From what the checks saw to a verdict: what passed, and for what did not, whose fault it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repbnn_edge.reports import LayerCheck, SecondRuntimeCheck, VerificationReport
from repbnn_edge.tflite.schema import Model
from repbnn_edge.verification.binary_check import BinaryCheck
from repbnn_edge.verification.end_to_end import EndToEnd
from repbnn_edge.verification.float_check import FloatCheck
from repbnn_edge.verification.hybrid_check import HybridCheck
from repbnn_edge.verification.reference import Reference


@dataclass(frozen=True)
class Evidence:
    """Everything that was seen.

    Attributes:
        model: the file.
        reference: the source.
        binary: the checks of binary operators.
        floats: the checks of float stretches, in the order in which the file computes them.
        hybrid: the checks of int8 layers against their own weights.
        ends: end to end.
        second: the file in stock LiteRT with our delegate.
        problems: sentences about what could not be checked at all, or differs in the second runtime.
        samples: how many inputs.
        exact_zeros: zeros that reached a sign.
        preprocessing_equal: whether file and source agree on it.
    """

    model: Model
    reference: Reference
    binary: Sequence[BinaryCheck]
    floats: Sequence[FloatCheck]
    hybrid: Sequence[HybridCheck]
    ends: EndToEnd
    second: SecondRuntimeCheck | None
    problems: Sequence[str]
    samples: int
    exact_zeros: int
    preprocessing_equal: bool


def verdict(seen: Evidence) -> VerificationReport:
    """The report."""
    rows = [*_binary_rows(seen), *_float_rows(seen), *_hybrid_rows(seen)]
    exact = sum(row.binary and row.passed for row in rows)
    failures = [*seen.problems, *(f"{row.name}: {row.detail}" for row in rows if not row.passed)]
    if not seen.preprocessing_equal:
        failures.append(_PREPROCESSING)
    layers = len(seen.reference.binary_layers)
    return VerificationReport(
        passed=not failures and exact == layers,
        binary_layers=layers,
        exact_binary_layers=exact,
        max_float_error=max((row.max_error for row in rows), default=0.0),
        flipped_bit_rate=seen.ends.flipped_bit_rate,
        top1_agreement=seen.ends.top1_agreement,
        samples=seen.samples,
        sign_zeros=seen.exact_zeros + sum(check.zeros for check in seen.binary),
        preprocessing_equal=seen.preprocessing_equal,
        failures=failures,
        layers=rows,
        second_runtime=seen.second,
    )


_PREPROCESSING = "preprocessing: the file's mean and std are not the source's"


def refusal(
    reference: Reference, samples: int, preprocessing_equal: bool, failures: Sequence[str]
) -> VerificationReport:
    """The report of a file that cannot be compared at all."""
    return VerificationReport(
        passed=False,
        binary_layers=len(reference.binary_layers),
        exact_binary_layers=0,
        max_float_error=0.0,
        flipped_bit_rate=1.0,
        top1_agreement=0.0,
        samples=samples,
        sign_zeros=0,
        preprocessing_equal=preprocessing_equal,
        failures=[*failures, *([] if preprocessing_equal else [_PREPROCESSING])],
    )


def _binary_rows(seen: Evidence) -> list[LayerCheck]:
    """One row a layer; its parts together where the file holds it in several operators."""
    rows = []
    for layer in seen.reference.binary_layers:
        checks = [check for check in seen.binary if check.match.layer.name == layer.name]
        checks = checks or _shared(seen, layer.name)
        missing = [problem for problem in seen.problems if problem.startswith(f"{layer.name}: ")]
        details = [check.detail for check in checks if not check.passed]
        rows.append(
            LayerCheck(
                name=layer.name,
                binary=True,
                passed=bool(checks) and not details and not missing and not _bits_fail(seen, checks),
                wrong_elements=sum(check.wrong for check in checks),
                elements=sum(check.elements for check in checks),
                detail="; ".join(details) or ("" if checks else "no operator of the file computes it"),
            )
        )
    return [row if row.passed or row.detail else _with_reason(row) for row in rows]


def _with_reason(row: LayerCheck) -> LayerCheck:
    return row.model_copy(update={"detail": "its bits are not the signs that the source has there"})


def _shared(seen: Evidence, name: str) -> list[BinaryCheck]:
    """The operator of a twin: same weights on the same map, which a converter computes once."""
    layer = next(layer for layer in seen.reference.binary_layers if layer.name == name)
    return [
        check
        for check in seen.binary
        if check.match.layer.sign_input == layer.sign_input
        and check.match.layer.weights.shape == layer.weights.shape
        and (check.match.layer.weights == layer.weights).all()
    ]


def _bits_fail(seen: Evidence, checks: Sequence[BinaryCheck]) -> bool:
    """Where a layer gives bits of which no rule is known, the next sign's check is the layer's own."""
    tensors = {c.match.operator.output for c in checks if c.is_bitpacked and c.to_sign is None}
    return any(check.tensor in tensors and not check.passed for check in seen.floats)


def _float_rows(seen: Evidence) -> list[LayerCheck]:
    """One row a stretch. One that fails because an earlier one did is told as such, and blames nobody."""
    names = {check.match.operator.index: check.match.layer.name for check in seen.binary}
    cleared: set[int] = set().union(*(check.cone for check in seen.floats if check.passed))
    blamed: set[int] = set()
    earlier: set[int] = set()
    rows = []
    for check in seen.floats:
        own = check.cone - earlier
        suspects = check.cone - cleared
        earlier |= check.cone
        follows = not check.passed and bool(suspects & blamed)
        inside = sorted(suspects if not check.passed and not follows and suspects else own)
        if not check.passed:
            blamed |= suspects
        layers = list(dict.fromkeys(names[index] for index in inside if index in names))
        rows.append(
            LayerCheck(
                name=_name(check, layers),
                binary=False,
                passed=check.passed,
                elements=check.elements,
                max_error=check.error,
                detail=_detail(check, follows),
            )
        )
    return rows


def _hybrid_rows(seen: Evidence) -> list[LayerCheck]:
    return [
        LayerCheck(
            name=check.name,
            binary=False,
            passed=check.passed,
            elements=check.elements,
            max_error=check.error,
            detail="int8 against its own weights in float32" + ("" if check.passed else f": {check.fault}"),
        )
        for check in seen.hybrid
    ]


def _name(check: FloatCheck, layers: Sequence[str]) -> str:
    """The binary layers in the stretch; without one, or where a padding is wrong, the layer that it leads to."""
    padding_alone = check.wrong_padding and check.error <= check.tolerance
    if layers and not padding_alone:
        return ", ".join(layers)
    return "output" if check.anchor is None else f"input of {check.anchor.layers[0].name}"


def _detail(check: FloatCheck, follows: bool) -> str:
    where = "up to the output" if check.anchor is None else f"up to the sign of {check.anchor.layers[0].name}"
    if check.passed:
        return where
    return f"{check.detail}, {where}" + ("; it reads what failed before" if follows else "")
