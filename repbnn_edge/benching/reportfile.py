"""Reports that were written before, by ``bench --output`` or by the Android sample app: read back and checked."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from repbnn_edge.benching.report import BenchReport
from repbnn_edge.devices.streaming import no_constant
from repbnn_edge.errors import BadInputError
from repbnn_edge.files import read_input
from repbnn_edge.reports import Report

SCHEMA = "repbnn.bench/1"
_LIMIT = 256 << 20


def read_report(path: Path) -> BenchReport:
    """Read ``{"schema": "repbnn.bench/1", ...}``; fields that this version does not know are left out.

    Raises:
        BadInputError: no such file, no JSON, another schema, or a field that is missing or of another type.
    """
    try:
        body = json.loads(read_input(path, limit=_LIMIT), parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise BadInputError(str(path), f"it is no JSON ({error})", "write it again with bench --output") from error
    found = body.get("schema") if isinstance(body, dict) else None
    if found != SCHEMA:
        raise BadInputError(str(path), f"its schema is {found!r}, not {SCHEMA}", "name a report of bench")
    try:
        report = BenchReport.model_validate(known_fields(BenchReport, body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        why = f"{where}: {first['msg'].lower()}"
        raise BadInputError(str(path), why, "write it again with bench --output") from error
    _check_samples(path, report)
    return report


def known_fields(model: type[Report], body: Any) -> Any:
    """``body`` without what ``model`` and the reports inside it do not know: later versions add fields."""
    if not isinstance(body, dict):
        return body
    known = {}
    for name, field in model.model_fields.items():
        if name in body:
            known[name] = _known_value(field.annotation, body[name])
    return known


def _known_value(annotation: Any, value: Any) -> Any:
    inner = _report_in(annotation)
    if inner is None:
        return value
    return [known_fields(inner, item) for item in value] if isinstance(value, list) else known_fields(inner, value)


def _report_in(annotation: Any) -> type[Report] | None:
    """The kind of report that a field holds: itself, in a list, or None beside it."""
    if isinstance(annotation, type) and issubclass(annotation, Report):
        return annotation
    return next((found for part in get_args(annotation) if (found := _report_in(part))), None)


def _check_samples(path: Path, report: BenchReport) -> None:
    for result in report.results:
        for process in result.samples_ms:
            if not process or not all(math.isfinite(value) and value > 0 for value in process):
                why = "samples_ms has an empty process, or a value that is not above 0"
                raise BadInputError(str(path), why, "write it again with bench --output")
