"""Coverage-guided fuzzing of the importer: whatever the bytes, one of our errors or a network, never anything else.

    python -m tests.onnx.fuzzing -max_total_time=3600          # the long one
    python -m tests.onnx.fuzzing -runs=2000 -seed=1            # what tests run

A find is written to crash-<sha1> in the current folder; ``python -m tests.onnx.fuzzing crash-<sha1>`` repeats it.
"""

from __future__ import annotations

import inspect
import resource
import sys
import tempfile
from pathlib import Path

import atheris
from repbnn_converters.onnx.importing import import_network

from repbnn_edge.errors import BadInputError, UnsupportedError
from tests.onnx.building import integers, model, normal, number, signs

_FOLDER = Path(tempfile.mkdtemp(prefix="repbnn-fuzz-"))
_MEMORY_BYTES = 4 << 30


def seeds() -> list[bytes]:
    """Small networks with the operators that exporters write."""
    binary = [("Sign", "x", "b"), ("Conv", "b w", "c", {"pads": [1, 1, 1, 1]})]
    weights = {"w": signs(2, 4, 3, 3), "v": normal(2, 4, 3, 3), "zero": number(0), "one": number(1)}
    chains = [
        binary,
        [("Tanh", "v", "f"), ("Sign", "v", "s"), ("Sub", "s f", "d"), ("Add", "d f", "w2"), ("Conv", "x w2", "y")],
        [*binary, ("Tile", "c r", "t"), ("MaxPool", "t", "y", {"kernel_shape": [2, 2]})],
        [("Greater", "x zero", "g"), ("Cast", "g", "b", {"to": 1}), ("Slice", "b i j", "y")],
        [("Reshape", "x s", "a"), ("Transpose", "a", "y", {"perm": [1, 0]})],
        [("Shape", "x", "h"), ("Gather", "h i", "k"), ("Concat", "k m", "n", {"axis": 0}), ("Reshape", "x n", "y")],
    ]
    constants = {"r": integers(1, 2, 1, 1), "i": integers(0), "j": integers(1), "s": integers(1, -1), "m": integers(-1)}
    return [model(steps, {**weights, **constants}).SerializeToString() for steps in chains]


def one(data: bytes) -> None:
    """One run."""
    path = _FOLDER / "model.onnx"
    path.write_bytes(data)
    try:
        import_network(path)
    except (BadInputError, UnsupportedError) as error:
        assert str(error).isprintable()


def instrument() -> None:
    """Count coverage in the importer's functions; import hooks of other packages hide them from atheris' own."""
    for name, module in list(sys.modules.items()):
        if not name.startswith("repbnn_converters.onnx"):
            continue
        owners = [module, *(item for item in vars(module).values() if inspect.isclass(item))]
        for owner in owners:
            for item in list(vars(owner).values()):
                if inspect.isfunction(item) and item.__module__ == name:
                    atheris.instrument_func(item)


def main() -> None:
    # libFuzzer's own limit reads the peak that a process inherits from whoever started it; a test runner may be larger.
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    instrument()
    corpus = _FOLDER / "corpus"
    corpus.mkdir()
    for i, data in enumerate(seeds()):
        (corpus / str(i)).write_bytes(data)
    limits = ["-rss_limit_mb=0", "-timeout=20", "-max_len=16384"]
    files = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    atheris.Setup([sys.argv[0], *limits, *sys.argv[1:], *([] if files else [str(corpus)])], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
