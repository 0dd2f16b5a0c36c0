"""What a file says about itself: we read back what we wrote, and so does somebody else's reader."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.reports import SourceReport
from repbnn_edge.tflite import metadata, schema, standard_metadata
from repbnn_edge.tflite.metadata import Metadata, Provenance, read_metadata, write_metadata

Corpus = Callable[[str], bytes]

LABELS = (*(f"class {i}" for i in range(9)), "Bärtierchen, 水熊虫")
FULL = Metadata(
    name="rep-small",
    description="A small Rep-BNN.",
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    labels=LABELS,
    provenance=Provenance(
        source=SourceReport(kind="onnx", name="net.onnx", sha256="0" * 64),
        beta=2,
        layer_betas={"b": 2, "a": 1},
        versions={"repbnn_edge": "0.1.0"},
        corrections=("conv_1: padded by one and cropped",),
        verification={"passed": True, "binary_layers": 6},
    ),
)


@pytest.mark.parametrize("name", ["rep_small", "mixed_small", "float_small"])
def test_what_is_written_is_read_and_the_network_is_the_same(name: str, corpus: Corpus) -> None:
    before = schema.load(corpus(name))
    data = write_metadata(corpus(name), FULL)
    after = schema.load(data)
    read = read_metadata(data)
    assert read.provenance is not None and read.provenance.normalization is not None
    assert (read.mean, read.std, read.labels, read.name) == (FULL.mean, FULL.std, LABELS, "rep-small")
    assert read.provenance.model_copy(update={"normalization": None}) == FULL.provenance
    assert [o.op for o in after.operators] == [o.op for o in before.operators]
    assert [(o.inputs, o.outputs) for o in after.operators] == [(o.inputs, o.outputs) for o in before.operators]
    for tensor in before.tensors:
        np.testing.assert_array_equal(after.constant(tensor.index), before.constant(tensor.index))  # type: ignore[arg-type]


def test_equal_arguments_give_equal_bytes_and_a_second_writing_replaces(corpus: Corpus) -> None:
    data = write_metadata(corpus("rep_small"), FULL)
    assert data == write_metadata(corpus("rep_small"), FULL)
    assert write_metadata(data, FULL) == data
    bare = write_metadata(data, Metadata(name="other"))
    assert read_metadata(bare) == Metadata(name="other")
    assert len(bare) < len(corpus("rep_small")) + 1000
    assert not zipfile.is_zipfile(BytesIO(bare))


def test_the_entry_is_canonical_json(corpus: Corpus) -> None:
    entry = schema.load(write_metadata(corpus("rep_small"), FULL)).custom_metadata()[metadata.ENTRY]
    values = json.loads(entry)
    assert entry == json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert values["format"] == 1 and values["zero_sign"] == "+1" and values["beta"] == 2
    assert values["normalization"] == {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}


def test_a_file_without_any_says_nothing(corpus: Corpus) -> None:
    assert read_metadata(corpus("float_small")) == Metadata()


def test_numbers_that_another_tool_changed_win(corpus: Corpus) -> None:
    model = schema.load(write_metadata(corpus("rep_small"), FULL)).copy()
    image = standard_metadata.Image(32, 32, 3, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
    for entry in model.raw.metadata:
        if entry.name == standard_metadata.ENTRY.encode():
            changed = standard_metadata.encode("changed", "", image, 1, None)
            model.raw.buffers[entry.buffer].data = np.frombuffer(changed, np.uint8)
    read = read_metadata(schema.pack(model))
    assert (read.name, read.mean, read.std) == ("changed", (0.0,) * 3, (255.0,) * 3)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (Metadata(labels=("one", "two")), "there are 2 for an output of 10"),
        (Metadata(labels=(*LABELS[:9], " ")), "label 9 is blank"),
        (Metadata(labels=(*LABELS[:9], "a\nb")), "label 9 is blank or has a line break"),
        (Metadata(labels=(*LABELS[:9], "a\u2028b")), "label 9 is blank or has a line break"),
        (Metadata(mean=(0.0,), std=(1.0,)), "do not fit the input"),
        (Metadata(mean=(0.0,) * 3), "mean and std come together"),
        (Metadata(mean=(0.0,) * 3, std=(1.0, 0.0, 1.0)), "deviation is 0"),
        (Metadata(mean=(0.0, float("nan"), 0.0), std=(1.0,) * 3), "not finite"),
    ],
)
def test_what_does_not_fit_the_network_is_refused(wrong: Metadata, why: str, corpus: Corpus) -> None:
    with pytest.raises(BadInputError, match=why):
        write_metadata(corpus("rep_small"), wrong)


def _with_entry(data: bytes, entry: bytes) -> bytes:
    model = schema.load(data).copy()
    classes = schema.generated()
    model.raw.metadata.append(classes.MetadataT(name="REPBNN", buffer=len(model.raw.buffers)))
    model.raw.buffers.append(classes.BufferT(data=np.frombuffer(entry, np.uint8)))
    return schema.pack(model)


@pytest.mark.parametrize("entry", [b"{", b"[]", b'{"format": 2}', b'{"beta": "many"}', b"\xff\xfe", b"[" * 100_000])
def test_a_broken_entry_is_a_sentence(entry: bytes, corpus: Corpus) -> None:
    with pytest.raises(BadInputError, match="REPBNN entry"):
        read_metadata(_with_entry(corpus("float_small"), entry))


def test_fields_of_a_later_version_are_passed_over(corpus: Corpus) -> None:
    read = read_metadata(_with_entry(corpus("float_small"), b'{"format": 1, "beta": 4, "mood": "good"}'))
    assert read.provenance is not None and read.provenance.beta == 4


def test_labels_that_were_lost_behind_the_flatbuffer_are_missed(corpus: Corpus) -> None:
    data = write_metadata(corpus("rep_small"), FULL)
    lost = schema.pack(schema.load(data))
    with pytest.raises(BadInputError, match=r"names labels\.txt, which cannot be read"):
        read_metadata(lost)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4)
)
def test_damage_in_the_standard_metadata_is_a_sentence(edits: list[tuple[float, bytes]]) -> None:
    image = standard_metadata.Image(32, 32, 3, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    data = bytearray(standard_metadata.encode("name", "what", image, 2, "labels.txt"))
    for place, new in edits:
        position = int(place * len(data))
        data[position : position + len(new)] = new
    try:
        standard_metadata.decode(bytes(data))
    except BadInputError as error:
        assert error.why


def test_the_stock_runtime_still_runs_the_file(corpus: Corpus) -> None:
    from ai_edge_litert.interpreter import Interpreter

    image = np.random.default_rng(0).normal(size=(1, 16, 16, 3)).astype(np.float32)
    results = []
    for data in (corpus("float_small"), write_metadata(corpus("float_small"), FULL)):
        interpreter = Interpreter(model_content=data)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    np.testing.assert_array_equal(results[0], results[1])


# The packages import half of computer vision on their way to the metadata module: the parents are stood in for.
_READER = """
import importlib.util, json, pathlib, sys, types
root = pathlib.Path(importlib.util.find_spec("mediapipe").submodule_search_locations[0])
for name in ("mediapipe", "mediapipe.tasks", "mediapipe.tasks.python"):
    package = types.ModuleType(name)
    package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
    sys.modules[name] = package
from mediapipe.tasks.python.metadata import metadata
displayer = metadata.MetadataDisplayer.with_model_file(sys.argv[1])
files = {f: displayer.get_associated_file_buffer(f).decode() for f in displayer.get_packed_associated_file_list()}
populator = metadata.MetadataPopulator.with_model_file(sys.argv[1])
populator.load_metadata_buffer(displayer.get_metadata_buffer())  # raises where the counts of tensors do not fit
print(json.dumps({"metadata": json.loads(displayer.get_metadata_json()), "files": files}))
"""
_READER_PACKAGES = ("mediapipe==0.10.21", "flatbuffers==25.12.19", "numpy==1.26.4")


@pytest.fixture(scope="module")
def independent_reader() -> Path:
    """A Python with MediaPipe's metadata library, in an environment of its own under build/."""
    folder = Path(__file__).parents[2] / "build" / f"mediapipe-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if (folder / "ready").is_file():
        return python
    uv = shutil.which("uv")
    make = [uv, "venv", "-q", "--clear"] if uv else [sys.executable, "-m", "venv", "--clear"]
    install = (
        [uv, "pip", "install", "-q", "--python", str(python)] if uv else [str(python), "-m", "pip", "install", "-q"]
    )
    base = ["--python", sys.executable] if uv else []
    for command in ([*make, *base, str(folder)], [*install, "--no-deps", *_READER_PACKAGES]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"MediaPipe cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    (folder / "ready").touch()
    return python


def test_mediapipes_reader_finds_labels_and_normalisation(
    independent_reader: Path, corpus: Corpus, tmp_path: Path
) -> None:
    path = tmp_path / "rep.tflite"
    path.write_bytes(write_metadata(corpus("rep_small"), FULL))
    done = subprocess.run(
        [independent_reader, "-c", _READER, path], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["files"] == {"labels.txt": "".join(f"{label}\n" for label in LABELS)}
    (graph,) = found["metadata"]["subgraph_metadata"]
    (image,), (scores,) = graph["input_tensor_metadata"], graph["output_tensor_metadata"]
    (unit,) = image["process_units"]
    assert unit["options_type"] == "NormalizationOptions"
    assert unit["options"]["mean"] == pytest.approx(FULL.mean)
    assert unit["options"]["std"] == pytest.approx(FULL.std)
    assert image["content"]["content_properties_type"] == "ImageProperties"
    assert image["content"]["content_properties"] == {
        "color_space": "RGB",
        "default_size": {"width": 32, "height": 32},
    }
    assert image["stats"]["min"] == pytest.approx([-123.675 / 58.395, -116.28 / 57.12, -103.53 / 57.375])
    assert image["stats"]["max"] == pytest.approx([131.325 / 58.395, 138.72 / 57.12, 151.47 / 57.375])
    assert [(f["name"], f["type"]) for f in scores["associated_files"]] == [("labels.txt", "TENSOR_AXIS_LABELS")]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(st.integers(1, 300), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_in_the_zip_is_a_sentence_or_other_labels(edits: list[tuple[int, int]], corpus: Corpus) -> None:
    data = bytearray(write_metadata(corpus("float_small"), FULL))
    for back, value in edits:
        data[-back] = value
    try:
        assert all(isinstance(label, str) for label in read_metadata(bytes(data)).labels)
    except (BadInputError, UnsupportedError) as error:
        assert error.why
