"""docs/json.md lists every field of the reports that it describes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from repbnn_edge.devices.listing import DevicesReport, ListedDevice
from repbnn_edge.diagnosis import Check, DoctorReport, Setting
from repbnn_edge.errors import RepbnnError
from repbnn_edge.inspection import InspectReport, OperatorRow
from repbnn_edge.inspection.report import EmbeddedMetadata, TensorRow
from repbnn_edge.reports import ConvertReport, LayerCheck, VerificationReport
from repbnn_edge.tflite.metadata import Provenance

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")}


@pytest.mark.parametrize(
    ("section", "report"),
    [
        ("convert, verify", ConvertReport),
        ("convert, verify", VerificationReport),
        ("convert, verify", LayerCheck),
        ("inspect", InspectReport),
        ("inspect", OperatorRow),
        ("inspect", EmbeddedMetadata),
        ("inspect", TensorRow),
        ("inspect", Provenance),
        ("devices", DevicesReport),
        ("devices", ListedDevice),
        ("doctor", DoctorReport),
        ("doctor", Check),
        ("doctor", Setting),
    ],
)
def test_every_field_is_listed(section: str, report: type[BaseModel]) -> None:
    text = SECTIONS[section]
    assert [name for name in report.model_fields if f"`{name}`" not in text and f"`.{name}`" not in text] == []


def test_every_error_is_listed() -> None:
    kinds = {(error.exit_code, error.kind) for error in [RepbnnError, *RepbnnError.__subclasses__()]}
    listed = {tuple(row.split(" | ")[:2]) for row in SECTIONS["Errors"].splitlines() if row.startswith("| ")}
    assert {(f"| {code}", f"`{kind}`") for code, kind in kinds} <= listed
