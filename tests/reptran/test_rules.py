"""Each rule of RepTran on the smallest network that shows it: it fires, and it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from repbnn_edge import stack
from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError
from repbnn_edge.keras_graph import costs, evaluate, totals
from repbnn_edge.layers import ChannelShift, PadChannels, RepConv2D, RepDense, RepeatChannels, RPReLU, RSign
from repbnn_edge.reptran import rep_tran, widen

tf = stack.tensorflow()
lq = stack.larq()
layers = tf.keras.layers


def quant_conv(filters: int, kernel: int = 3, **options) -> tf.keras.layers.Layer:
    quantizers = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    return lq.layers.QuantConv2D(filters, kernel, padding="same", **{"use_bias": False, **quantizers, **options})


def network(body, *, size: int = 8, stem: int = 8, classes: int | None = 10) -> tf.keras.Model:
    """A stem, what ``body`` makes of its map, a classifier."""
    x = entry = layers.Input((size, size, 3), name="image")
    x = layers.Conv2D(stem, 3, padding="same", name="stem")(x)
    x = body(layers.BatchNormalization(name="stem_norm")(x))
    if classes:
        pool = layers.GlobalAveragePooling2D(name="pool") if len(x.shape) == 4 else layers.Flatten(name="pool")
        x = layers.Dense(classes, name="logits")(pool(x))
    return tf.keras.Model(entry, x)


def one(model: tf.keras.Model, beta: int = 2) -> tf.keras.Model:
    """The transformed network, run once: a shape that does not fit would raise."""
    new = rep_tran(model, beta)
    taps = evaluate(new, np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype(np.float32))
    assert all(np.isfinite(tap).all() for tap in taps.values())
    return new


@pytest.mark.parametrize("beta", [2, 4])
def test_a_binary_convolution_becomes_rep_conv_and_the_stem_is_repeated_once(beta: int) -> None:
    model = network(lambda x: layers.BatchNormalization(name="norm")(quant_conv(16, strides=2, name="conv")(x)))
    widened = widen(model, beta)
    new = widened.model
    assert widened.repeated == {"stem_norm": "stem_norm_repeat"}
    assert isinstance(new.get_layer("stem_norm_repeat"), RepeatChannels)
    conv = new.get_layer("conv")
    assert isinstance(conv, RepConv2D)
    assert conv.kernel.shape == (3, 3, 8 * beta, 16 // beta)
    assert conv.output_shape == (None, 4, 4, 16 * beta)
    assert (conv.strides, conv.padding, conv.use_bias) == ((2, 2), "same", False)
    assert type(conv.kernel_quantizer) is type(model.get_layer("conv").kernel_quantizer)
    assert type(conv.kernel_constraint) is type(model.get_layer("conv").kernel_constraint)
    assert new.get_layer("norm").gamma.shape == (16 * beta,)
    assert new.get_layer("logits").kernel.shape == (16 * beta, 10)
    before, after = costs(model), costs(new)
    assert (before["conv"].binary_weights, before["conv"].binary_macs) == (9 * 8 * 16, 16 * 9 * 8 * 16)
    assert (after["conv"].binary_weights, after["conv"].binary_macs) == (9 * 8 * 16, 16 * 9 * 8 * 16)
    for name in ("stem", "stem_norm"):
        for old, kept in zip(model.get_layer(name).weights, new.get_layer(name).weights, strict=True):
            np.testing.assert_array_equal(old, kept)


def test_the_stem_may_have_binary_weights_on_a_float_input() -> None:
    entry = layers.Input((8, 8, 3))
    x = quant_conv(8, input_quantizer=None, name="first")(entry)
    x = quant_conv(8, name="second")(layers.BatchNormalization(name="norm")(x))
    new = one(tf.keras.Model(entry, layers.Dense(3)(layers.Flatten()(x))))
    assert new.get_layer("first").kernel.shape == (3, 3, 3, 8)
    assert new.get_layer("second").kernel.shape == (3, 3, 16, 4)
    assert [layer.name for layer in new.layers if isinstance(layer, RepeatChannels)] == ["norm_repeat"]


def test_a_shortcut_takes_the_repeated_map_too() -> None:
    def body(x):
        y = layers.BatchNormalization(name="norm")(quant_conv(8, name="conv")(layers.BatchNormalization(name="pre")(x)))
        return layers.Add(name="add")([x, y])

    widened = widen(network(body), 2)
    assert set(widened.repeated) == {"stem_norm"}
    assert widened.model.get_layer("pre").gamma.shape == (16,)
    assert widened.model.get_layer("add").output_shape == (None, 8, 8, 16)


def test_a_sign_of_its_own_and_its_shift_belong_to_the_binary_layer() -> None:
    def body(x):
        return quant_conv(8, input_quantizer=None, name="conv")(RSign(name="sign")(x))

    widened = widen(network(body), 2)
    assert set(widened.repeated) == {"stem_norm"}
    assert widened.model.get_layer("sign").shift.shape == (16,)

    widened = widen(network(lambda x: quant_conv(8, name="conv")(ChannelShift(name="shift")(x))), 2)
    assert set(widened.repeated) == {"stem_norm"}
    assert widened.model.get_layer("shift").shift.shape == (16,)


def test_full_precision_convolutions_keep_their_parameters() -> None:
    def body(x):
        x = quant_conv(8)(x)
        return layers.Conv2D(16, 1, use_bias=False, kernel_regularizer="l2", activation="relu", name="shortcut")(x)

    model = network(body)
    new = one(model)
    shortcut = new.get_layer("shortcut")
    assert shortcut.kernel.shape == (1, 1, 16, 8)
    assert shortcut.output_shape[-1] == 32
    assert shortcut.kernel_regularizer is not None
    assert shortcut.activation is tf.keras.activations.relu
    assert costs(model)["shortcut"] == costs(new)["shortcut"]


def test_a_bias_is_as_wide_as_the_repeated_output() -> None:
    new = one(network(lambda x: quant_conv(8, use_bias=True, name="conv")(x)))
    assert new.get_layer("conv").bias.shape == (16,)


def test_dense_layers_inside_are_repeated_and_the_last_keeps_its_outputs() -> None:
    entry = layers.Input((8, 8, 3))
    x = quant_conv(8)(layers.Conv2D(8, 3, name="stem")(entry))
    x = layers.Flatten(name="flatten")(x)
    quantizers = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    x = lq.layers.QuantDense(32, use_bias=False, name="hidden", **quantizers)(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = lq.layers.QuantDense(10, name="logits", **quantizers)(x)
    model = tf.keras.Model(entry, layers.Softmax(name="softmax")(layers.BatchNormalization(name="last_norm")(x)))
    new = one(model)
    assert isinstance(new.get_layer("hidden"), RepDense)
    assert new.get_layer("hidden").kernel.shape == (6 * 6 * 16, 16)
    assert new.get_layer("norm").gamma.shape == (64,)
    assert new.get_layer("logits").kernel.shape == (64, 10)
    assert new.get_layer("last_norm").gamma.shape == (10,)
    assert new.output_shape == (None, 10)
    assert costs(new)["hidden"].binary_weights == costs(model)["hidden"].binary_weights


def test_a_last_convolution_keeps_its_outputs_when_they_are_the_networks() -> None:
    def classes(x):
        x = layers.Conv2D(10, 1, name="scores")(quant_conv(8)(x))
        return layers.Softmax()(layers.GlobalAveragePooling2D()(x))

    new = one(network(classes, classes=None))
    assert new.output_shape == (None, 10)
    assert new.get_layer("scores").kernel.shape == (1, 1, 16, 10)

    def binary_classes(x):
        return layers.Softmax()(layers.GlobalAveragePooling2D()(quant_conv(10, name="scores")(quant_conv(8)(x))))

    assert one(network(binary_classes, classes=None)).output_shape == (None, 10)


def test_a_network_without_a_head_gives_a_wide_map() -> None:
    def body(x):
        return layers.Add()([x, layers.BatchNormalization()(quant_conv(8)(x))])

    widened = widen(network(body, classes=None), 2)
    assert widened.model.output_shape == (None, 8, 8, 16)
    assert len(widened.wide_outputs) == 1


def test_a_skip_from_the_image_to_the_output_stays_narrow() -> None:
    entry = layers.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem")(entry)
    y = quant_conv(8)(x)
    image = layers.Conv2D(3, 3, padding="same", name="last")(layers.Add()([x, y]))
    widened = widen(tf.keras.Model(entry, layers.Add()([image, entry])), 2)
    assert set(widened.repeated) == {"stem"}
    assert widened.model.output_shape == (None, 8, 8, 3)


def test_two_stems_are_repeated_each() -> None:
    a, b = layers.Input((8, 8, 3)), layers.Input((8, 8, 3))
    left, right = layers.Conv2D(8, 3, name="left")(a), layers.Conv2D(8, 3, name="right")(b)
    x = layers.Add()([quant_conv(8)(left), quant_conv(8)(right)])
    widened = widen(tf.keras.Model([a, b], layers.Dense(3)(layers.Flatten()(x))), 2)
    assert set(widened.repeated) == {"left", "right"}


def test_a_binary_layer_that_reads_the_image_has_it_repeated() -> None:
    model = tf.keras.Sequential(
        [layers.Input((8, 8, 4), name="image"), quant_conv(8), layers.Flatten(), layers.Dense(3)]
    )
    assert set(widen(model, 2).repeated) == {"image"}


def test_depthwise_filters_and_their_weights_are_tiled() -> None:
    def body(x):
        x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise")(quant_conv(8)(x))
        return layers.Conv2D(16, 3, groups=16, padding="same", name="grouped")(x)

    model = network(body)
    widened = widen(model, 2)
    for name, axis in (("depthwise", 2), ("grouped", 3)):
        old, new = (np.asarray(m.get_layer(name).weights[0]) for m in (model, widened.model))
        np.testing.assert_array_equal(new, np.concatenate([old, old], axis=axis))
        assert widened.changes[name].weights == "tiled"
    assert widened.model.get_layer("grouped").groups == 32


def test_a_blur_pool_keeps_its_weights_and_loses_a_function_that_no_file_holds() -> None:
    def blur(shape, dtype=None):
        return np.full(shape, 1 / 9, np.float32)

    def body(x):
        return layers.DepthwiseConv2D(3, depthwise_initializer=blur, trainable=False, name="blur")(quant_conv(8)(x))

    new = one(network(body)).get_layer("blur")
    assert not new.trainable
    assert isinstance(new.depthwise_initializer, tf.keras.initializers.Zeros)
    np.testing.assert_array_equal(new.depthwise_kernel, np.full((3, 3, 16, 1), np.float32(1 / 9)))


def test_groups_grow_and_weights_stay_as_many() -> None:
    def body(x):
        return quant_conv(32, groups=2, name="grouped", use_bias=True, activation="relu")(quant_conv(16)(x))

    model = network(body)
    new = one(model)
    assert new.get_layer("grouped").groups == 4
    assert new.get_layer("grouped").kernel.shape == (3, 3, 8, 32)
    assert new.get_layer("grouped_bias").shift.shape == (64,)
    assert new.get_layer("grouped_activation").output_shape[-1] == 64
    assert costs(model)["grouped"].binary_macs == costs(new)["grouped"].binary_macs
    with pytest.raises(UnsupportedError, match=r"grouped: its 16 filters cannot be divided into 32 groups"):
        rep_tran(network(lambda x: quant_conv(16, groups=8, name="grouped")(quant_conv(16)(x))), 4)


def test_other_convolutions_are_spread_by_repeats_of_their_own() -> None:
    def body(x):
        x = layers.Conv2DTranspose(8, 2, strides=2, activation="relu", name="up")(quant_conv(8)(x))
        return layers.SeparableConv2D(16, 3, use_bias=False, name="separable")(x)

    model = network(body)
    new = one(model)
    assert new.get_layer("up").kernel.shape == (2, 2, 4, 16)
    assert new.get_layer("up_activation").output_shape == (None, 16, 16, 16)
    assert new.get_layer("separable").pointwise_kernel.shape == (1, 1, 16, 8)
    assert costs(model)["up"].float_macs == costs(new)["up"].float_macs


def test_per_channel_layers_grow_and_shared_slopes_stay() -> None:
    def body(x):
        x = layers.PReLU(shared_axes=[1, 2], name="prelu")(quant_conv(8)(x))
        x = layers.PReLU(shared_axes=[1, 2, 3], alpha_initializer="random_normal", name="one_slope")(x)
        return PadChannels(4, 4, name="pad")(RPReLU(name="rprelu")(layers.MaxPooling2D()(x)))

    model = network(body)
    new = one(model)
    assert new.get_layer("prelu").alpha.shape == (1, 1, 16)
    assert new.get_layer("rprelu").slope.shape == (16,)
    np.testing.assert_array_equal(new.get_layer("one_slope").alpha, model.get_layer("one_slope").alpha)
    assert new.get_layer("pad").output_shape[-1] == 32


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_squeeze_excite_keeps_its_hidden_width(kind: str) -> None:
    def gate(x):
        if kind == "dense":
            z = layers.Dense(2, activation="relu", name="squeeze")(layers.GlobalAveragePooling2D()(x))
            z = layers.Dense(8, activation="sigmoid", name="excite")(z)
            return layers.Reshape((1, 1, 8), name="reshape")(z)
        z = layers.Conv2D(2, 1, name="squeeze")(tf.reduce_mean(x, axis=[1, 2], keepdims=True))
        return layers.Conv2D(8, 1, activation="sigmoid", name="excite")(layers.ReLU()(z))

    def body(x):
        x = quant_conv(8)(x)
        return x * gate(x)

    new = one(network(body))
    assert new.get_layer("squeeze").kernel.shape[-2:] == (16, 2)
    assert new.get_layer("excite").kernel.shape[-2:] == (2, 16)


def test_a_gate_of_one_dense_layer_is_no_pair() -> None:
    def body(x):
        x = quant_conv(8)(x)
        gate = layers.Dense(8, name="gate")(layers.GlobalAveragePooling2D(keepdims=True)(x))
        return layers.Multiply()([x, gate])

    assert one(network(body)).get_layer("gate").kernel.shape == (16, 4)


def test_reshapes_permutations_and_channel_shuffle() -> None:
    def body(x):
        x = layers.Reshape((8, 8, 2, 4))(quant_conv(8)(x))
        x = layers.Permute((1, 2, 4, 3))(x)
        x = layers.Reshape((8, 8, 8), name="shuffled")(x)
        x = tf.transpose(tf.reshape(x, [-1, 64, 8]), [0, 2, 1])
        return layers.Reshape((8, 8, 8), name="map")(layers.Permute((2, 1))(x))

    new = one(network(body))
    assert new.get_layer("shuffled").output_shape == (None, 8, 8, 16)
    assert new.get_layer("map").output_shape == (None, 8, 8, 16)
    refused(lambda x: layers.Reshape((96, 16), name="cut")(quant_conv(24)(x)), "cut: its target cuts the channels")


def test_operations_scale_their_bounds_along_channels() -> None:
    def body(x):
        x = quant_conv(8)(x)
        left, right = tf.split(x, [2, 6], axis=-1)
        x = tf.concat([left, right[..., 1:-1]], -1)  # 2 + 4
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 2]])[:, 1:-1, 1:-1]  # 8
        x = tf.slice(x, [0, 0, 0, 2], [-1, -1, -1, 4])  # 4
        x = tf.nn.relu(x * tf.constant([1.0, 2.0, 3.0, 4.0]) + [0.0, 1.0, 2.0, 3.0])
        x = tf.clip_by_value(x, 0.0, 6.0) / 2.0
        x = tf.squeeze(tf.expand_dims(x, 1), [1])
        return layers.BatchNormalization(name="norm")(tf.nn.max_pool2d(x, 2, 2, "SAME"))

    new = one(network(body))
    assert new.get_layer("norm").input_shape == (None, 4, 4, 8)
    constants = [
        np.asarray(argument)
        for layer in new.layers
        for node in layer.inbound_nodes
        for argument in node._flat_arguments
        if isinstance(argument, tf.Tensor)
    ]
    assert any(np.array_equal(c, [1.0, 2.0, 3.0, 4.0] * 2) for c in constants)
    assert any(np.array_equal(c, [0.0, 1.0, 2.0, 3.0] * 2) for c in constants)


def test_a_channel_mean_is_narrow_again() -> None:
    def body(x):
        x = quant_conv(8)(x)
        return x * tf.sigmoid(tf.reduce_mean(x, axis=-1, keepdims=True))

    assert one(network(body)).get_layer("logits").kernel.shape == (16, 10)


def test_a_rep_network_is_widened_further() -> None:
    quantizers = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}

    def build(beta: int) -> tf.keras.Model:
        def body(x):
            x = RepConv2D(16, 3, beta=beta, name="conv", **quantizers)(RepeatChannels(beta)(x) if beta > 1 else x)
            return layers.BatchNormalization(name="norm")(x)

        return network(body)

    new = one(build(2), 2)
    assert totals(new) == totals(build(4))
    assert totals(one(build(1), 4)) == totals(build(4))


def test_nested_models_are_transformed_and_names_carried() -> None:
    def block(name: str) -> tf.keras.Model:
        return tf.keras.Sequential(
            [
                layers.Input((8, 8, 8)),
                quant_conv(8, name=f"{name}_conv"),
                layers.BatchNormalization(name=f"{name}_norm"),
            ],
            name=name,
        )

    new = one(network(lambda x: block("second")(block("first")(x))))
    names = {layer.name for layer in new.layers}
    assert names >= {"first_conv", "first_norm", "second_conv", "second_norm", "logits"}


def test_a_shared_layer_is_widened_once() -> None:
    conv, norm = quant_conv(8, name="conv"), layers.BatchNormalization(name="norm")
    new = one(network(lambda x: norm(conv(norm(conv(x))))))
    assert new.count_params() == one(network(lambda x: norm(conv(x)))).count_params()


def test_a_layer_shared_by_two_widths_is_refused_by_name() -> None:
    norm = layers.BatchNormalization(name="norm")
    entry = layers.Input((8, 8, 8))
    x = norm(quant_conv(8)(norm(layers.Conv2D(8, 1)(entry))))
    with pytest.raises(UnsupportedError, match="norm: it is called twice"):
        rep_tran(tf.keras.Model(entry, layers.Dense(3)(layers.Flatten()(x))), 2)


def test_beta_one_is_the_identity_bit_for_bit() -> None:
    inner = tf.keras.Sequential([layers.Input((8, 8, 8)), quant_conv(8), layers.BatchNormalization()], name="inner")
    model = network(lambda x: tf.nn.relu(inner(x)) + 0.5)
    new = rep_tran(model, 1)
    assert [layer.name for layer in new.layers] == [layer.name for layer in model.layers]
    for old, kept in zip(model.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(old, kept)
    batch = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(model.predict(batch, verbose=0), new.predict(batch, verbose=0))
    assert new is not model


def refused(body, match: str, beta: int = 2) -> None:
    with pytest.raises(UnsupportedError, match=match):
        rep_tran(network(body), beta)


def test_refusals_name_the_layer() -> None:
    refused(lambda x: quant_conv(9, name="nine")(x), "nine: its 9 filters cannot be divided by beta 2")
    refused(lambda x: layers.Lambda(lambda y: y, name="mystery")(quant_conv(8)(x)), "mystery: it is a Python Lambda")
    refused(lambda x: layers.LayerNormalization(name="layer_norm")(quant_conv(8)(x)), "layer_norm: .*no rule")
    refused(lambda x: layers.Softmax(name="attention")(quant_conv(8)(x)), "attention: it is a softmax")
    refused(lambda x: quant_conv(8)(x)[..., 0:1] * quant_conv(8)(x), "spreads one repeated channel")
    refused(lambda x: tf.stack([quant_conv(8)(x)] * 2, axis=1)[:, 0], "tf.stack.*no rule for stack")
    binary = {"depthwise_quantizer": "ste_sign", "input_quantizer": "ste_sign", "depthwise_constraint": "weight_clip"}
    refused(
        lambda x: lq.layers.QuantDepthwiseConv2D(3, name="depthwise", **binary)(quant_conv(8)(x)),
        "depthwise: its binary weights would grow",
    )


def test_a_layer_of_somebody_else_has_no_rule() -> None:
    class Dense(layers.Dense):
        pass

    refused(lambda x: Dense(8, name="own")(quant_conv(8)(x)), "own: RepTran has no rule for Dense")


def test_networks_that_cannot_be_transformed() -> None:
    class Own(tf.keras.Model):
        def call(self, x):
            return x

    with pytest.raises(UnsupportedError, match="own"):
        rep_tran(Own(name="own"), 2)
    with pytest.raises(UnsupportedError, match="none of its layers has binary weights"):
        rep_tran(network(layers.ReLU()), 2)
    two_bits = lq.quantizers.DoReFa(k_bit=2)
    with pytest.raises(UnsupportedError, match="conv: its activations have 2 bits"):
        rep_tran(network(lambda x: quant_conv(8, input_quantizer=two_bits, name="conv")(x)), 2)
    with pytest.raises(BadInputError):
        rep_tran(tf.keras.Sequential([quant_conv(8)]), 2)
    for beta in (0, -2, 1.5, True):
        with pytest.raises(UsageError):
            rep_tran(network(quant_conv(8)), beta)


BUILT_IN = ("rep-recu-resnet20",)
LARGER = (
    "rep-recu-vgg-small",
    "rep-irnet-resnet20",
    "rep-adambnn-reactnet-a",
    "rep-reactnet18",
    "rep-recu-resnet18",
    "rep-birealnet18",
    "rep-birealnet34",
)


@pytest.mark.parametrize("name", [*BUILT_IN, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGER)])
def test_an_original_network_becomes_the_papers_rep_network(name: str) -> None:
    """The built-in networks are written with beta as a parameter: two roads to the same weights and MACs."""
    from repbnn_edge.models import build

    assert totals(rep_tran(build(name, beta=1), 2)) == totals(build(name, beta=2))
