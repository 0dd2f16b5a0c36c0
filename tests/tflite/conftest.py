"""The small files of corpus/ (made by make_corpus.py), opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from repbnn_edge.tflite import schema
from repbnn_edge.tflite.schema import Model

CORPUS = Path(__file__).parent / "corpus"


@pytest.fixture
def corpus() -> Callable[[str], bytes]:
    return lambda name: (CORPUS / f"{name}.tflite").read_bytes()


@pytest.fixture
def opened(corpus: Callable[[str], bytes]) -> Callable[[str], Model]:
    return lambda name: schema.load(corpus(name))
