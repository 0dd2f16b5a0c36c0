"""Each pass on the file's graph: that it fires, and that it refuses the near miss."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from repbnn_converters.onnx import passes
from repbnn_converters.onnx.graph import operators
from repbnn_converters.onnx.passes import (
    cancel_residues,
    common_subexpressions,
    dead_code,
    drop_identities,
    fold_constants,
    masked_writes,
    refuse_training,
)

from repbnn_edge.errors import BadInputError, UnsupportedError
from tests.onnx.building import graph, integers, normal, number

RESIDUE = [("Sign", "x", "s"), ("Tanh", "x", "f"), ("Sub", "s f", "d"), ("Add", "d f", "y")]


def after(pass_, steps, constants=None, **options):
    result = graph(steps, constants, **options)
    pass_.run(result)
    dead_code.run(result)
    return result


def test_a_residue_of_any_function_cancels():
    assert operators(after(cancel_residues, RESIDUE).nodes) == ["Sign"]
    turned = [("Sign", "x", "s"), ("Exp", "x", "f"), ("Sub", "f s", "d"), ("Sub", "f d", "y")]
    assert operators(after(cancel_residues, turned).nodes) == ["Sign"]
    negated = [("Sign", "x", "s"), ("Exp", "x", "f"), ("Neg", "f", "n"), ("Add", "s n", "d"), ("Add", "d f", "y")]
    assert operators(after(cancel_residues, negated).nodes) == ["Sign"]


def test_scaled_residues_cancel():
    steps = [
        *(("Sign", "x", "s"), ("Tanh", "x", "f"), ("Mul", "f half", "h"), ("Sub", "s f", "a")),
        *(("Add", "a h", "b"), ("Add", "b h", "y")),
    ]
    assert operators(after(cancel_residues, steps, {"half": number(0.5)}).nodes) == ["Sign"]


def test_a_cancelled_sum_is_the_sum_that_was_there_before():
    steps = [
        *(("Sign", "x", "s"), ("Add", "s c", "kept"), ("Tanh", "x", "f")),
        *(("Sub", "kept f", "d"), ("Add", "f d", "y")),
    ]
    result = after(cancel_residues, steps, {"c": normal(1, 4, 1, 1)})
    assert operators(result.nodes) == ["Sign", "Add"]
    assert result.output == "kept"


@pytest.mark.parametrize(
    "steps",
    [
        [("Sign", "x", "s"), ("Tanh", "x", "f"), ("Sigmoid", "x", "g"), ("Sub", "s f", "d"), ("Add", "d g", "y")],
        [("Sign", "x", "s"), ("Tanh", "x", "f"), ("Add", "s f", "d"), ("Add", "d f", "y")],
        [("Sign", "x", "s"), ("Tanh", "x", "f"), ("Sub", "s f", "d"), ("Mul", "d f", "y")],
    ],
    ids=["two functions", "added twice", "a product"],
)
def test_a_residue_that_is_not_zero_stays(steps):
    assert len(after(cancel_residues, steps).nodes) == len(steps)


def test_a_residue_that_would_change_the_shape_stays():
    steps = [("Sub", "c x", "d"), ("Add", "d x", "y")]  # c broadcast to the shape of x is not c
    assert operators(after(cancel_residues, steps, {"c": normal(1, 4, 1, 1)}).nodes) == ["Sub", "Add"]


def test_two_computations_of_one_function_become_one_value():
    steps = [("Sign", "x", "s"), ("Tanh", "x", "f"), ("Tanh", "x", "g"), ("Sub", "s f", "d"), ("Add", "d g", "y")]
    result = graph(steps)
    common_subexpressions.run(result)
    cancel_residues.run(result)
    dead_code.run(result)
    assert operators(result.nodes) == ["Sign"]


def test_equal_constants_under_two_names_are_one_and_others_are_not():
    steps = [("Mul", "x a", "p"), ("Mul", "x b", "q"), ("Sub", "p q", "y")]
    equal = after(common_subexpressions, steps, {"a": normal(1, 4, 6, 6), "b": normal(1, 4, 6, 6)})
    assert operators(equal.nodes) == ["Mul", "Sub"]
    near = normal(1, 4, 6, 6)
    near[0, 3, 5, 4] += 1e-6
    assert len(after(common_subexpressions, steps, {"a": normal(1, 4, 6, 6), "b": near}).nodes) == 3


def test_attributes_keep_nodes_apart():
    steps = [("LeakyRelu", "x", "p", {"alpha": 0.1}), ("LeakyRelu", "x", "q", {"alpha": 0.2}), ("Sub", "p q", "y")]
    assert len(after(common_subexpressions, steps).nodes) == 3


def test_identities_go():
    steps = [
        *(("Identity", "x", "a"), ("Dropout", "a", "b"), ("Expand", "b ones", "c"), ("Tile", "c once", "d")),
        *(
            ("Cast", "d", "e", {"to": 1}),
            ("Transpose", "e", "f", {"perm": [0, 1, 2, 3]}),
            ("Concat", "f", "g", {"axis": 1}),
        ),
        *(("Pad", "g nothing", "h"), ("Relu", "h", "y")),
    ]
    constants = {"ones": integers(1, 1, 1, 1), "once": integers(1, 1, 1, 1), "nothing": integers(*[0] * 8)}
    assert operators(after(drop_identities, steps, constants).nodes) == ["Relu"]


def test_what_only_keeps_the_shape_is_no_identity():
    shifted = [("Pad", "x pads", "a"), ("Relu", "a", "y")]
    assert len(after(drop_identities, shifted, {"pads": integers(0, 0, 1, 0, 0, 0, -1, 0)}).nodes) == 2
    turned = [("Transpose", "x", "a", {"perm": [0, 1, 3, 2]}), ("Relu", "a", "y")]
    assert len(after(drop_identities, turned).nodes) == 2
    reversed_ = [("Slice", "x starts ends axes steps", "a"), ("Relu", "a", "y")]
    bounds = {"starts": integers(-1), "ends": integers(-7), "axes": integers(2), "steps": integers(-1)}
    assert len(after(drop_identities, reversed_, bounds).nodes) == 2


def test_an_expanded_constant_is_its_source_where_it_is_broadcast():
    steps = [("Expand", "c size", "e"), ("Add", "x e", "y")]
    constants = {"c": normal(1, 4, 1, 1), "size": integers(1, 4, 6, 6)}
    assert after(drop_identities, steps, constants).nodes[0].inputs == ["x", "c"]
    joined = [("Expand", "c size", "e"), ("Concat", "x e", "y", {"axis": 1})]
    assert operators(after(drop_identities, joined, constants).nodes) == ["Expand", "Concat"]
    widening = [("Relu", "x", "r"), ("GlobalAveragePool", "r", "p"), ("Expand", "c size", "e"), ("Add", "p e", "y")]
    assert "Expand" in operators(after(drop_identities, widening, constants).nodes)


def test_weight_arithmetic_is_folded_with_onnxruntimes_bits():
    steps = [("Abs", "w", "a"), ("ReduceMean", "a", "m", {"axes": [1, 2, 3]}), ("Sign", "w", "s"), ("Mul", "s m", "v")]
    result = after(fold_constants, [*steps, ("Conv", "x v", "y")], {"w": normal(8, 4, 3, 3)})
    assert operators(result.nodes) == ["Conv"]
    folded = result.constants[result.nodes[0].inputs[1]]
    assert np.array_equal(np.sign(folded), np.sign(normal(8, 4, 3, 3)))
    assert all(len(np.unique(np.abs(row))) == 1 for row in folded)


def test_a_constant_that_comes_out_as_nan_is_an_error():
    steps = [("Log", "w", "v"), ("Conv", "x v", "y")]
    with pytest.raises(BadInputError, match="NaN"):
        after(fold_constants, steps, {"w": -np.abs(normal(8, 4, 3, 3))})


def test_random_numbers_are_no_constants():
    steps = [("RandomNormal", "", "r", {"shape": [1, 4, 6, 6]}), ("Add", "x r", "y")]
    assert operators(after(fold_constants, steps).nodes) == ["RandomNormal", "Add"]


@pytest.mark.parametrize("extra", [{"training_mode": 1}, {}])
def test_a_batch_norm_in_training_mode_is_refused(extra):
    outputs = "y m v" if extra else "y"
    steps = [("BatchNormalization", "x g b mean var", outputs, extra)]
    constants = {name: np.ones(4, np.float32) for name in ("g", "b", "mean", "var")}
    result = graph(steps, constants, output="y")
    if extra:
        with pytest.raises(UnsupportedError, match=r"model\.eval\(\)"):
            refuse_training.run(result)
    else:
        refuse_training.run(result)


def test_dropout_that_drops_is_refused():
    steps = [("Dropout", "x ratio on", "y")]
    constants = {"ratio": number(0.5), "on": np.array(True)}
    with pytest.raises(UnsupportedError, match="drops values at random"):
        refuse_training.run(graph(steps, constants))
    refuse_training.run(graph(steps, {**constants, "on": np.array(False)}))


def _calls(blocks: int) -> int:
    """Python calls that the pipeline takes for a chain of residual sign blocks."""
    steps, value = [], "x"
    for i in range(blocks):
        steps += [
            *(("Sign", value, f"s{i}"), ("Tanh", value, f"f{i}"), ("Sub", f"s{i} f{i}", f"d{i}")),
            *(("Add", f"d{i} f{i}", f"b{i}"), ("Conv", f"b{i} w", f"c{i}"), ("Add", f"c{i} {value}", f"y{i}")),
        ]
        value = f"y{i}"
    result = graph(steps, {"w": normal(4, 4, 1, 1)})
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        passes.run_all(result)
    finally:
        sys.setprofile(None)
    assert len(result.nodes) == 3 * blocks
    return count


def test_the_passes_are_linear():
    short, long = _calls(20), _calls(200)
    assert long < 11 * short


MASKED = [
    *(("Sign", "x", "s"), ("Equal", "s zero", "m"), ("NonZero", "m", "n"), ("Transpose", "n", "p", {"perm": [1, 0]})),
    *(("Reshape", "m all", "f"), ("Cast", "f", "g", {"to": 7}), ("ReduceSum", "g", "k", {"keepdims": 1})),
    *(("Expand", "one k", "u"), ("ScatterND", "s p u", "y")),
]
MASKED_NUMBERS = {"zero": number(0), "one": number(1), "all": integers(-1)}


def test_a_masked_write_is_a_choice():
    result = graph(MASKED, MASKED_NUMBERS)
    masked_writes.run(result)
    last = result.nodes[-1]
    assert (last.op, last.inputs, last.outputs) == ("Where", ["m", "one", "s"], ["y"])


@pytest.mark.parametrize("other", ["another mask's places", "numbers of a map", "added"])
def test_other_writes_stay(other):
    steps = list(MASKED)
    if other == "another mask's places":
        steps[3] = ("Transpose", "n", "p", {"perm": [0, 1]})
    elif other == "numbers of a map":
        steps[-1] = ("ScatterND", "s p x", "y")
    else:
        steps[-1] = ("ScatterND", "s p u", "y", {"reduction": "add"})
    result = graph(steps, MASKED_NUMBERS, opset=18)
    masked_writes.run(result)
    assert result.nodes[-1].op == "ScatterND"
