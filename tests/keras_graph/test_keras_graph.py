from __future__ import annotations

import numpy as np
import pytest

from repbnn_edge import stack
from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.keras_graph import copy_layer, evaluate, rebuild, walk

tf = stack.tensorflow()
lq = stack.larq()
layers = tf.keras.layers


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def block(name: str) -> tf.keras.Model:
    return tf.keras.Sequential(
        [layers.Conv2D(4, 3, padding="same", name="conv"), layers.BatchNormalization(name="norm")], name=name
    )


def nested_model() -> tf.keras.Model:
    """Two models whose layers bear the same names, one shared layer, operations with constants, split and slice."""
    x = entry = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 1, name="stem")(x)
    for name in ("first", "second"):
        part = block(name)
        part.build((None, 8, 8, 4))
        x = part(x) + 0.5 * x
    shared = layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_normal", name="prelu")
    left, right = tf.split(shared(shared(x)), 2, axis=-1)
    x = tf.concat([left, right[..., :1]], axis=-1)
    return tf.keras.Model(entry, {"map": x, "half": left}, name="net")


def test_nested_models_are_inlined_in_order_with_unique_names() -> None:
    graph = walk(nested_model())
    names = [node.name for node in graph.nodes]
    assert names[0] == "stem"
    assert {"first.conv", "second.conv", "first.norm", "second.norm", "prelu", "prelu#2"} <= set(names)
    assert len(set(names)) == len(names)
    seen = {value.tap for value in graph.inputs}
    for node in graph.nodes:
        assert {value.tap for value in node.inputs} <= seen
        seen |= {value.tap for value in node.outputs}
    assert {node.operation for node in graph.nodes if node.is_operation} >= {"split", "concat", "math.multiply"}
    split = next(node for node in graph.nodes if node.operation == "split")
    assert [value.shape for value in split.outputs] == [(None, 8, 8, 2)] * 2
    assert graph.producer(split.inputs[0]) is graph.node("prelu#2")
    assert graph.consumers(graph.node("prelu").outputs[0]) == (graph.node("prelu#2"),)


@pytest.mark.parametrize("copy_layers", [True, False])
def test_a_rebuilt_model_gives_the_same_bits(copy_layers: bool) -> None:
    model = nested_model()
    again = rebuild(model, copy_layers=copy_layers)
    batch = images(2, 8, 8, 3)
    expected, got = model.predict(batch, verbose=0), again.predict(batch, verbose=0)
    assert set(got) == {"map", "half"}
    for key in expected:
        np.testing.assert_array_equal(got[key], expected[key])
    assert {layer.name for layer in again.layers} >= {"first.conv", "second.conv", "prelu"}
    assert (again.get_layer("stem") is model.get_layer("stem")) is (not copy_layers)
    assert again.count_params() == model.count_params()


def test_the_given_model_is_left_as_it_was() -> None:
    model = nested_model()
    calls = [len(layer._inbound_nodes) for layer in model.layers]
    rebuild(model)
    assert [len(layer._inbound_nodes) for layer in model.layers] == calls


def test_rewrite_replaces_one_call_and_nothing_else() -> None:
    model = nested_model()
    graph = walk(model)

    def rewrite(node, tensors):
        return tensors[0] * 2.0 if node.name == "prelu#2" else None

    again = rebuild(graph, rewrite)
    assert "tf.math.multiply" in {layer.name.rsplit("_", 1)[0] for layer in again.layers}
    batch = images(2, 8, 8, 3)
    halves = evaluate(graph, batch, rewrite, taps=[graph.outputs[0].tap])
    np.testing.assert_array_equal(again.predict(batch, verbose=0)["half"], next(iter(halves.values())))
    assert not np.array_equal(model.predict(batch, verbose=0)["half"], again.predict(batch, verbose=0)["half"])


def test_evaluate_gives_every_tap_as_the_model_itself_does() -> None:
    model = nested_model()
    graph = walk(model)
    batch = images(2, 8, 8, 3)
    taps = evaluate(model, batch)
    assert set(taps) == {"image"} | {value.tap for node in graph.nodes for value in node.outputs}
    expected = model.predict(batch, verbose=0)
    for value, key in zip(graph.outputs, ("half", "map"), strict=True):
        np.testing.assert_allclose(taps[value.tap], expected[key], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(taps["image"], batch)


def test_evaluate_keeps_the_asked_taps_and_names_an_unknown_one() -> None:
    model = nested_model()
    batch = images(1, 8, 8, 3)
    assert set(evaluate(model, batch, taps=["stem"])) == {"stem"}
    with pytest.raises(KeyError, match="nothing"):
        evaluate(model, batch, taps=["nothing"])


def test_evaluate_runs_batch_norm_and_dropout_for_inference() -> None:
    model = tf.keras.Sequential([layers.Input((4,)), layers.Dropout(0.9), layers.BatchNormalization(name="norm")])
    batch = images(8, 4)
    np.testing.assert_allclose(evaluate(model, batch)["norm"], batch / np.sqrt(1.001), rtol=1e-5)


def test_a_nested_model_called_for_inference_stays_so() -> None:
    inner = tf.keras.Sequential([layers.Input((4,)), layers.BatchNormalization(name="norm")])
    entry = layers.Input((4,))
    model = tf.keras.Model(entry, inner(entry, training=False))
    again = rebuild(model)
    batch = images(8, 4) + 3
    np.testing.assert_allclose(again(batch, training=True), batch / np.sqrt(1.001), rtol=1e-5)


def test_a_model_called_twice_shares_its_weights() -> None:
    inner = block("inner")
    inner.build((None, 8, 8, 4))
    entry = layers.Input((8, 8, 4))
    model = tf.keras.Model(entry, inner(inner(entry)))
    again = rebuild(model)
    assert [node.name for node in walk(model).nodes] == ["conv", "norm", "conv#2", "norm#2"]
    assert again.count_params() == model.count_params()
    batch = images(1, 8, 8, 4)
    np.testing.assert_array_equal(again.predict(batch, verbose=0), model.predict(batch, verbose=0))


def test_several_inputs_and_another_input_shape() -> None:
    a, b = layers.Input((8, 8, 2), name="a"), layers.Input((8, 8, 2), name="b")
    model = tf.keras.Model([a, b], layers.Conv2D(3, 3, name="conv")(tf.concat([a, b], -1)))
    taps = evaluate(model, [images(1, 8, 8, 2), images(1, 8, 8, 2)])
    assert taps["conv"].shape == (1, 6, 6, 3)
    again = rebuild(model, input_shapes=[(1, 10, 10, 2)] * 2)
    assert again.output_shape == (1, 8, 8, 3)


def test_larq_layers_keep_quantisers_and_plain_functions() -> None:
    def halves(x):
        return tf.sign(x) * 0.5

    layer = lq.layers.QuantConv2D(
        4, 3, input_quantizer="ste_sign", kernel_quantizer=halves, kernel_constraint="weight_clip", pad_values=1.0
    )
    copy = copy_layer(layer, "again", filters=8)
    assert (copy.name, copy.filters, copy.pad_values) == ("again", 8, 1.0)
    assert copy.kernel_quantizer is halves
    assert copy.input_quantizer.precision == 1
    assert type(copy.kernel_constraint) is type(layer.kernel_constraint)


def test_a_python_lambda_is_refused_by_name() -> None:
    inner = tf.keras.Sequential([layers.Input((4,)), layers.Lambda(lambda x: x * 2, name="twice")])
    entry = layers.Input((4,))
    with pytest.raises(UnsupportedError, match="twice"):
        walk(tf.keras.Model(entry, inner(entry)))


def test_a_subclassed_model_is_refused_by_name() -> None:
    class Own(tf.keras.Model):
        def call(self, x):
            return x

    entry = layers.Input((4,))
    for model in (Own(name="own"), tf.keras.Model(entry, Own(name="own")(entry))):
        with pytest.raises(UnsupportedError, match="own"):
            walk(model)


def test_a_functional_model_with_its_own_train_step_is_none() -> None:
    class Own(tf.keras.Model):
        def train_step(self, data):
            return {}

    entry = layers.Input((4,))
    assert [node.name for node in walk(Own(entry, layers.ReLU(name="relu")(entry))).nodes] == ["relu"]


def test_an_unbuilt_model_and_other_things_are_bad_input() -> None:
    with pytest.raises(BadInputError, match="input shape"):
        walk(tf.keras.Sequential([layers.Dense(3)]))
    with pytest.raises(BadInputError, match="no Keras 2 model"):
        walk("model")


def test_a_layer_that_its_configuration_cannot_make_is_refused_by_name() -> None:
    class Wide(layers.Layer):
        def __init__(self, width, **kwargs):
            super().__init__(**kwargs)

        def get_config(self):
            return {"name": self.name}

        def call(self, x):
            return x

    entry = layers.Input((4,))
    with pytest.raises(UnsupportedError, match="wide"):
        rebuild(tf.keras.Model(entry, Wide(3, name="wide")(entry)))
