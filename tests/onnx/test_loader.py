"""Hostile and broken files: one sentence each, in bounded time and memory, and nothing outside the folder read."""

from __future__ import annotations

import io
import os
import pickle
import resource
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from repbnn_converters.onnx import loader
from repbnn_converters.onnx.importing import import_network
from repbnn_converters.onnx_file import FrontEnd

from repbnn_edge.conversion.source import LoadOptions
from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError
from tests.onnx.building import model, normal, number, save, signs

STEPS = [("Sign", "x", "b"), ("Conv", "b w", "y", {"pads": [1, 1, 1, 1]})]
WEIGHTS = {"w": signs(8, 4, 3, 3)}


def refused(path, match, error=BadInputError):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(error, match=match) as caught:
        import_network(path)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2_000_000  # KiB


def test_a_good_file_loads(tmp_path):
    assert len(import_network(save(model(STEPS, WEIGHTS), tmp_path)).network.binary) == 1


@pytest.mark.parametrize(
    "data, match",
    [
        (b"", "it is empty"),
        (b"not a model at all, only some text", "no ONNX"),
        (b"\x00" * 4096, "no ONNX"),
        (pickle.dumps({"state_dict": 1}), "Python pickle.*never opened"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(100), "TFLite"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    ],
)
def test_other_files_under_this_name(data, match, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    refused(path, match)


def test_a_checkpoint_zip(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    path = tmp_path / "model.onnx"
    path.write_bytes(buffer.getvalue())
    refused(path, "zip archive.*torch.onnx.export")


def test_a_half_file_and_every_cut_of_it(tmp_path):
    data = model(STEPS, WEIGHTS).SerializeToString()
    path = tmp_path / "model.onnx"
    for end in range(1, len(data) - 1, 37):
        path.write_bytes(data[:end])
        with pytest.raises((BadInputError, UnsupportedError)):
            import_network(path)


def test_a_header_that_promises_two_gigabytes(tmp_path):
    proto = model(STEPS, WEIGHTS)
    proto.graph.initializer[0].dims[:] = [2**16, 2**10, 3, 3]
    refused(save(proto, tmp_path), r"shape|promise")
    proto.graph.initializer[0].dims[:] = [2**62, 2**62]
    refused(save(proto, tmp_path), "promise|needs")
    proto.graph.initializer[0].dims[:] = [-8, 4, 3, 3]
    refused(save(proto, tmp_path), "impossible")


def test_an_input_or_a_value_that_promises_a_terabyte(tmp_path):
    refused(save(model(STEPS, WEIGHTS, shape=(1, 4, 10**6, 10**6)), tmp_path), "impossible")
    grown = [("Expand", "x s", "e"), ("Relu", "e", "y")]
    refused(save(model(grown, {"s": np.array([10**6, 4, 6, 6 * 10**3])}), tmp_path), "too large|do not fit")
    filled = [("ConstantOfShape", "s", "e"), ("Add", "x e", "y")]
    refused(save(model(filled, {"s": np.array([10**7, 4, 6, 6])}), tmp_path), "too large")
    ranged = [("Range", "a b c", "e"), ("Add", "x e", "y")]
    numbers = {"a": np.array(0), "b": np.array(10**12), "c": np.array(1)}
    refused(save(model(ranged, numbers), tmp_path), "too large")


def test_a_cycle_a_missing_initialiser_and_a_name_used_twice(tmp_path):
    cyclic = [("Add", "x b", "a"), ("Relu", "a", "b"), ("Relu", "b", "y")]
    refused(save(model(cyclic), tmp_path), "Add_a.*depends on its own output")
    refused(save(model(STEPS), tmp_path), "Conv_y.*'w' is neither")
    refused(save(model([("Relu", "x", "a"), ("Relu", "a", "a")]), tmp_path), "defined twice")
    dangling = model(STEPS, WEIGHTS)
    dangling.graph.output[0].name = "nobody"
    refused(save(dangling, tmp_path), "'nobody' is made by no node")


def test_nodes_out_of_order_are_sorted(tmp_path):
    proto = model(STEPS, WEIGHTS)
    nodes = [proto.graph.node[1], proto.graph.node[0]]
    shuffled = onnx.ModelProto()
    shuffled.CopyFrom(proto)
    del shuffled.graph.node[:]
    shuffled.graph.node.extend(nodes)
    assert len(import_network(save(shuffled, tmp_path)).network.binary) == 1


def test_wrong_types(tmp_path):
    refused(save(model(STEPS, {"w": signs(8, 4, 3, 3).astype(np.int64)}), tmp_path), "Conv_y.*do not fit")
    refused(
        save(model(STEPS, {"w": signs(8, 7, 3, 3)}), tmp_path), "Conv_y|channels", (BadInputError, UnsupportedError)
    )
    proto = model(STEPS, WEIGHTS)
    proto.graph.initializer[0].data_type = TensorProto.STRING
    refused(save(proto, tmp_path), "element type")
    proto.graph.initializer[0].data_type = 999
    refused(save(proto, tmp_path), "element type")


def test_another_opset(tmp_path):
    refused(save(model(STEPS, WEIGHTS, opset=999), tmp_path), "opset 999.*newest")
    proto = model(STEPS, WEIGHTS)
    proto.ir_version = 999
    refused(save(proto, tmp_path), "IR version 999")
    del proto.opset_import[:]
    proto.ir_version = 8
    refused(save(proto, tmp_path), "does not say its opset")


def test_not_a_number(tmp_path):
    bad = WEIGHTS["w"].copy()
    bad[3, 2, 1, 0] = np.nan
    refused(save(model(STEPS, {"w": bad}), tmp_path), "'w'.*NaN")


def test_a_million_nodes(tmp_path):
    """Written by hand: protobuf repeats a field by repeating it, so the file is one node a million times."""

    def field(number, payload):
        prefix, length = bytearray([number << 3 | 2]), len(payload)
        while length >= 128:
            prefix.append(length % 128 + 128)
            length //= 128
        return bytes([*prefix, length]) + payload

    node = field(1, helper.make_node("Relu", ["x"], ["q"]).SerializeToString())
    head = onnx.ModelProto(ir_version=8)
    head.opset_import.add(version=17)
    graph = model([("Relu", "x", "y")]).graph.SerializeToString() + node * 1_000_000
    path = tmp_path / "model.onnx"
    path.write_bytes(head.SerializeToString() + field(7, graph))
    refused(path, "1000001 nodes")


def test_control_flow_and_foreign_operators_are_named(tmp_path):
    branch = helper.make_graph([], "b", [], [helper.make_empty_tensor_value_info("x")])
    proto = model([("If", "c", "y", {"then_branch": branch, "else_branch": branch})], {"c": np.array(True)})
    refused(save(proto, tmp_path), "If_y.*run time", UnsupportedError)
    foreign = model(STEPS, WEIGHTS)
    foreign.graph.node[0].domain = "com.example"
    refused(save(foreign, tmp_path), "Sign_b.*com.example", UnsupportedError)
    unknown = model(STEPS, WEIGHTS)
    unknown.graph.node[0].op_type = "Signum"
    refused(save(unknown, tmp_path), "Signum.*no such operator", UnsupportedError)


def test_messages_carry_no_control_characters(tmp_path):
    proto = model(STEPS, WEIGHTS)
    proto.graph.node[0].op_type = "Evil\x1b[31m\nsecond line"
    with pytest.raises(UnsupportedError) as caught:
        import_network(save(proto, tmp_path))
    assert str(caught.value).isprintable()


# External data.


def external(folder, location, **fields):
    proto = model(STEPS, WEIGHTS)
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **fields}.items():
        tensor.external_data.add(key=key, value=str(value))
    return save(proto, folder)


@pytest.fixture
def nested(tmp_path):
    """A folder with data beside the model, and a secret outside of it."""
    folder = tmp_path / "inside"
    folder.mkdir()
    data = WEIGHTS["w"].tobytes()
    (folder / "weights.bin").write_bytes(b"head" + data)
    (folder / "sub").mkdir()
    (folder / "sub" / "weights.bin").write_bytes(data)
    (tmp_path / "secret.bin").write_bytes(data)
    return folder


def test_data_beside_the_model_are_read(nested):
    for fields in (
        {"location": "weights.bin", "offset": 4, "length": 8 * 4 * 9 * 4},
        {"location": "sub/weights.bin"},
        {"location": "./sub/weights.bin"},
    ):
        imported = import_network(external(nested, **fields))
        np.testing.assert_array_equal(imported.network.binary[0].weights, WEIGHTS["w"])


@pytest.mark.parametrize(
    "location", ["../secret.bin", "sub/../../secret.bin", "sub/..\\..\\secret.bin", "", "C:\\secret.bin", "sub\0x"]
)
def test_data_outside_the_folder_are_not(location, nested):
    refused(external(nested, location), "not inside the model's folder")


def test_an_absolute_path_is_not(nested):
    refused(external(nested, str(nested.parent / "secret.bin")), "not inside the model's folder")


def test_links_are_not(nested):
    (nested / "soft.bin").symlink_to(nested.parent / "secret.bin")
    refused(external(nested, "soft.bin"), "symbolic link")
    (nested / "away").symlink_to(nested.parent)
    refused(external(nested, "away/secret.bin"), "symbolic link")
    os.link(nested.parent / "secret.bin", nested / "hard.bin")
    refused(external(nested, "hard.bin"), "hard link")


def test_pipes_folders_and_missing_files_are_not(nested):
    os.mkfifo(nested / "pipe")
    refused(external(nested, "pipe"), "not a regular file")
    refused(external(nested, "sub"), "not a regular file|cannot be opened")
    refused(external(nested, "missing.bin"), "missing")


def test_lengths_and_offsets_that_lie(nested):
    refused(external(nested, "weights.bin", offset=8), "ends before")
    refused(external(nested, "weights.bin", length=4), "has 4 bytes where its shape needs")
    refused(external(nested, "weights.bin", offset="-4"), "no number")
    refused(external(nested, "weights.bin", offset="9" * 40), "no number")


# The front end.


def test_options_that_an_onnx_file_has_already(tmp_path):
    path = str(save(model(STEPS, WEIGHTS), tmp_path))
    for options in (
        LoadOptions(beta=2),
        LoadOptions(weights=tmp_path / "w.h5"),
        LoadOptions(input_shape=(1, 7, 7, 4)),
    ):
        with pytest.raises(UsageError):
            FrontEnd().load(path, options)


def test_it_accepts_onnx_paths_only(tmp_path):
    path = save(model(STEPS, WEIGHTS), tmp_path)
    assert FrontEnd().accepts(str(path))
    assert not FrontEnd().accepts(str(tmp_path))
    assert not FrontEnd().accepts("missing.onnx")


@pytest.mark.parametrize("shape, match", [((1, 4, "h", "w"), "batch"), ((1, 4, 6), "3 dimensions")])
def test_an_open_image_size_is_refused(shape, match, tmp_path):
    refused(save(model([("Relu", "x", "y")], shape=shape), tmp_path), match, UnsupportedError)


def test_several_inputs_or_outputs_are_refused(tmp_path):
    two = model([("Relu", "x", "a"), ("Neg", "x", "y")])
    two.graph.output.append(helper.make_empty_tensor_value_info("a"))
    refused(save(two, tmp_path), "outputs.*y, a", UnsupportedError)
    more = model([("Add", "x z", "y")])
    more.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 4, 6, 6]))
    refused(save(more, tmp_path), "inputs.*x, z", UnsupportedError)
    halves = model([("Relu", "x", "y")], dtype=TensorProto.FLOAT16)
    refused(save(halves, tmp_path), r"float16.*model\.float\(\)", UnsupportedError)


def test_the_limits_are_what_they_say():
    assert loader.MAX_NODES == 200_000
    assert loader.MAX_BYTES == 2**31 - 1


def test_numbers_that_meet_no_map_are_refused(tmp_path):
    with pytest.raises(UnsupportedError):
        import_network(save(model([("Add", "c d", "y")], {"c": number(1), "d": normal(4)}), tmp_path))


def test_windows_that_do_not_fit_the_map_do_not_reach_onnxs_own_rules(tmp_path):
    """Found by fuzzing: they crashed the process there."""
    refused(save(model(STEPS, WEIGHTS, shape=(1, 6)), tmp_path), "Conv_y.*no map", UnsupportedError)
    short = [("MaxPool", "x", "y", {"kernel_shape": [2]})]
    refused(save(model(short), tmp_path), "MaxPool_y.*kernel_shape")
