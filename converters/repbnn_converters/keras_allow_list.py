"""What a Keras configuration from outside may name: everything else is refused before Keras sees it.

Keras' own loader resolves classes and functions by name, executes the bytecode of a Lambda, reads files for
vocabularies and resolves a TFOpLambda to any exported TensorFlow function, writing of files included.
So a configuration is walked first, and each name in it must stand in the lists below.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from repbnn_edge.errors import BadInputError

_MAX_DEPTH = 200
_MAX_NODES = 2_000_000
_MAX_SIZE = 1 << 20  # of a filter count, a kernel, a pool
_MAX_INPUT = 10**8  # elements of one input

MODELS = {"Sequential", "Functional", "Model"}

LAYERS = {
    "Activation", "Add", "Average", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D",
    "Conv2DTranspose", "Cropping2D", "Dense", "DepthwiseConv2D", "Dropout", "ELU", "Flatten", "GaussianDropout",
    "GaussianNoise", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Identity", "InputLayer", "LeakyReLU",
    "MaxPooling2D", "Maximum", "Minimum", "Multiply", "Normalization", "PReLU", "Permute", "ReLU", "Rescaling",
    "Reshape", "SeparableConv2D", "Softmax", "SpatialDropout2D", "Subtract", "SyncBatchNormalization",
    "ThresholdedReLU", "UpSampling2D", "ZeroPadding2D",
}  # fmt: skip

LARQ = {
    "QuantConv2D", "QuantDense", "QuantDepthwiseConv2D", "QuantSeparableConv2D",
    "ApproxSign", "DoReFa", "MagnitudeAwareSign", "NoOp", "SteHeaviside", "SteSign", "SteTern", "SwishSign",
    "WeightClip", "weight_clip",
}  # fmt: skip

INITIALIZERS = {
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "LecunNormal", "LecunUniform",
    "Ones", "Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros",
}  # fmt: skip

OTHERS = {"L1", "L2", "L1L2", "MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm", "Policy", "TFOpLambda", "SlicingOpLambda"}

ACTIVATIONS = {
    "elu", "exponential", "gelu", "hard_sigmoid", "hard_tanh", "leaky_tanh", "linear", "mish", "relu", "relu6",
    "selu", "sigmoid", "softmax", "softplus", "softsign", "swish", "tanh",
}  # fmt: skip

QUANTIZERS = {
    "approx_sign", "dorefa_quantizer", "magnitude_aware_sign", "no_op", "ste_heaviside", "ste_sign", "ste_tern",
    "swish_sign",
}  # fmt: skip

PLAIN_NAMES = {
    "activation": ACTIVATIONS | QUANTIZERS,
    "initializer": {name.lower() for name in INITIALIZERS} | INITIALIZERS | {
        "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform",
        "random_normal", "random_uniform", "truncated_normal", "variance_scaling",
    },
    "regularizer": {"l1", "l2", "l1_l2", "L1", "L2", "L1L2"},
    "constraint": {"weight_clip", "max_norm", "non_neg", "unit_norm", "min_max_norm", "WeightClip"},
    "quantizer": QUANTIZERS | LARQ,
}  # fmt: skip

OPERATIONS = {
    "__operators__.add", "__operators__.getitem", "__operators__.mul", "__operators__.neg", "__operators__.sub",
    "__operators__.truediv", "abs", "add", "cast", "clip_by_value", "compat.v1.gather", "compat.v1.nn.avg_pool",
    "compat.v1.pad", "compat.v1.transpose", "concat", "expand_dims", "identity", "image.extract_patches", "math.abs",
    "math.add", "math.cos", "math.divide", "math.erf", "math.log", "math.maximum", "math.minimum", "math.multiply",
    "math.negative", "math.pow", "math.reciprocal", "math.reduce_max", "math.reduce_mean", "math.reduce_min",
    "math.reduce_sum", "math.rsqrt", "math.sigmoid", "math.sign", "math.sin", "math.sqrt", "math.square",
    "math.subtract", "math.truediv", "maximum", "minimum", "multiply", "negative", "nn.avg_pool", "nn.avg_pool2d",
    "nn.bias_add", "nn.depth_to_space", "nn.depthwise_conv2d", "nn.leaky_relu", "nn.log_softmax", "nn.max_pool",
    "nn.max_pool2d", "nn.relu", "nn.relu6", "nn.sigmoid", "nn.silu", "nn.softmax", "nn.space_to_depth", "nn.tanh",
    "pad", "reduce_max", "reduce_mean", "reduce_sum", "repeat", "reshape", "sigmoid", "sign", "split", "sqrt", "square",
    "squeeze", "stack", "strided_slice", "subtract", "tanh", "tile", "transpose", "truediv", "unstack",
}  # fmt: skip

_MODULES = ("keras", "tf_keras", "larq", "repbnn_edge.layers")


def check_config(config: Any, where: str, *, ours: set[str]) -> None:
    """Raise BadInputError unless every class, function and name in a Keras configuration is known to be harmless.

    Args:
        config: the parsed JSON of a model's configuration.
        where: the file, for the message.
        ours: names of the serialisable classes of ``repbnn_edge.layers``.
    """
    for node in _dicts(config, where):
        if "class_name" in node:
            _check_class(node, where, ours)
        for key, value in node.items():
            _check_value(str(key), value, where)


def _dicts(root: Any, where: str) -> Iterator[dict[str, Any]]:
    stack: list[tuple[Any, int]] = [(root, 0)]
    seen = 0
    while stack:
        value, depth = stack.pop()
        seen += 1
        if depth > _MAX_DEPTH or seen > _MAX_NODES:
            raise BadInputError(where, "its configuration is nested too deep or too large", "save it again")
        if isinstance(value, dict):
            yield value
            stack.extend((v, depth + 1) for v in value.values())
        elif isinstance(value, list):
            stack.extend((v, depth + 1) for v in value)


def _check_class(node: dict[str, Any], where: str, ours: set[str]) -> None:
    name, module = node["class_name"], node.get("module")
    layer = _layer_name(node)
    if not isinstance(name, str):
        raise BadInputError(f"{where}: layer {layer}", "its class name is no text", "save it again")
    if name in {"Lambda", "__lambda__"}:
        raise BadInputError(
            f"{where}: layer {layer}",
            "a Lambda carries Python bytecode, which is never executed here",
            "replace it by a layer, or convert from the code: file.py:function",
        )
    if name == "function":
        _check_function(node, where)
        return
    registered = str(node.get("registered_name") or "").rsplit(">", 1)[-1]
    known = MODELS | LAYERS | LARQ | INITIALIZERS | OTHERS | ours | {"__tuple__"}
    if name not in known or (registered and registered not in known):
        raise BadInputError(
            f"{where}: layer {layer}",
            f"the class {name!r} is not on the list of what is loaded from files",
            "convert from the code instead: file.py:function",
        )
    if module is not None and not _is_module(module):
        raise _foreign(where, f"class {name!r}", module)
    if name in {"TFOpLambda", "SlicingOpLambda"}:
        config = node.get("config")
        operation = config.get("function") if isinstance(config, dict) else None
        if not isinstance(operation, str) or operation not in OPERATIONS:
            raise BadInputError(
                f"{where}: layer {layer}",
                f"the TensorFlow function {operation!r} is not on the list of what is loaded from files",
                "convert from the code instead: file.py:function",
            )


def _check_function(node: dict[str, Any], where: str) -> None:
    name, module = node.get("config"), node.get("module")
    if not isinstance(name, str) or name not in ACTIVATIONS | QUANTIZERS | {"weight_clip"}:
        raise BadInputError(
            where, f"the function {name!r} is not on the list of what is loaded from files", "use a layer instead"
        )
    if module not in (None, "builtins") and not _is_module(module):
        raise _foreign(where, f"function {name!r}", module)


def _check_value(key: str, value: Any, where: str) -> None:
    suffix = key.rsplit("_", 1)[-1]
    if isinstance(value, str) and suffix in PLAIN_NAMES and value not in PLAIN_NAMES[suffix]:
        raise BadInputError(
            where, f"the {suffix} {value!r} is not on the list of what is loaded from files", "use a layer"
        )
    if key in {"filters", "units", "kernel_size", "pool_size", "strides", "target_shape", "depth_multiplier", "beta"}:
        sizes = value if isinstance(value, list) else [value]
        if any(isinstance(v, int) and v > _MAX_SIZE for v in sizes):
            raise BadInputError(where, f"{key} is {value}", "check the file")
    if key in {"batch_input_shape", "input_shape"} and isinstance(value, list):
        _check_shape(value, where)


def _check_shape(shape: list[Any], where: str) -> None:
    elements = 1
    for size in shape:
        if isinstance(size, int) and not isinstance(size, bool):
            elements *= max(size, 1)
    if elements > _MAX_INPUT:
        raise BadInputError(where, f"an input shape of {elements} elements", "give a smaller one with --input-shape")


def _is_module(module: Any) -> bool:
    return isinstance(module, str) and any(module == m or module.startswith(m + ".") for m in _MODULES)


def _foreign(where: str, what: str, module: Any) -> BadInputError:
    return BadInputError(
        where, f"it asks for {what} of the module {module!r}", "convert from the code: file.py:function"
    )


def _layer_name(node: dict[str, Any]) -> str:
    config = node.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    return repr(node.get("name") or inner or node.get("class_name"))
