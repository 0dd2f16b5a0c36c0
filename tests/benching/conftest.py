"""A cache of the tests' own: what is made once is made once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPBNN_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def rep_small() -> Path:
    """A small Rep-BNN: two stages at 32 x 32, six binary convolutions."""
    return Path(__file__).parents[1] / "tflite" / "corpus" / "rep_small.tflite"
