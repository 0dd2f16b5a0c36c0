"""Reports as files: read back from JSON, written as CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.benching.csvfile import COLUMNS, to_csv
from repbnn_edge.benching.reportfile import read_report
from repbnn_edge.errors import BadInputError

from . import made_up


def _write(path: Path, body: Any) -> Path:
    path.write_text(body if isinstance(body, str) else json.dumps(body))
    return path


def _body(**changes: Any) -> dict[str, Any]:
    return {"schema": "repbnn.bench/1", "repbnn_edge": "0.1.0", **made_up.full().to_json(), **changes}


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    assert read_report(_write(tmp_path / "a.json", _body())) == made_up.full()


def test_fields_of_later_versions_are_left_out(tmp_path: Path) -> None:
    body = _body(of_later={"a": 1})
    body["results"][0]["of_later"] = 1
    body["results"][0]["latency_ms"]["p999"] = 1.0
    body["results"][0]["ops"][0]["of_later"] = [1]
    assert read_report(_write(tmp_path / "a.json", body)) == made_up.full()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"schema": NaN}', "NaN is no number"),
        ([1], "schema is None"),
        ({"schema": "repbnn.bench/2"}, "repbnn.bench/2"),
        ({"schema": "repbnn.bench/1", "interrupted": False}, "results: field required"),
        ({"schema": "repbnn.bench/1", "interrupted": False, "results": [1]}, "results.0"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, body: Any, word: str) -> None:
    with pytest.raises(BadInputError) as caught:
        read_report(_write(tmp_path / "a.json", body))
    assert word in caught.value.why


@pytest.mark.parametrize("samples", [[[]], [[0.0]], [[1.0, -1.0]]])
def test_impossible_samples_are_refused(tmp_path: Path, samples: Any) -> None:
    body = _body()
    body["results"][0]["samples_ms"] = samples
    with pytest.raises(BadInputError, match="samples_ms"):
        read_report(_write(tmp_path / "a.json", body))


def test_a_table_has_a_row_a_result_and_the_units_in_its_header() -> None:
    header, *rows = list(csv.reader(io.StringIO(to_csv(made_up.full()))))
    assert tuple(header) == COLUMNS and len(rows) == 4
    first = dict(zip(header, rows[0], strict=True))
    latency = made_up.full().results[0].latency_ms
    assert latency is not None and float(first["median_ms"]) == pytest.approx(latency.median, rel=1e-5)
    assert first["file"] == "net.tflite" and first["runs"] == "180" and first["delegate"] == ""
    assert dict(zip(header, rows[2], strict=True))["reasons"] == "trend"


def test_a_name_becomes_no_formula_and_no_second_row() -> None:
    row = made_up.result(5.0, '=HYPERLINK("x"),\n"y"')
    header, *rows = list(csv.reader(io.StringIO(to_csv(made_up.report(row)))))
    assert len(rows) == 1
    assert dict(zip(header, rows[0], strict=True))["file"].startswith("'=HYPERLINK")
