"""The quantisers of the paper's networks that larq does not have. Each gives a sign; they differ in the gradient.

All are Keras layers, as larq's own are, and serialise. What a schedule changes during training (``tau``, ``t``,
``k``) is a variable of the quantiser that its checkpoint carries, but no weight of the layer that uses it:
``layer.weights`` and parameter counts are those of the network.
"""

from __future__ import annotations

import math
from typing import Any

from repbnn_edge.errors import UsageError
from repbnn_edge.layers.framework import Quantizer, lq, serializable, tf

_STD_OF_RECU = 2.0 * math.sqrt(2.0)
_EPSILON = 1e-5


class _Scheduled(Quantizer):
    """A one-bit quantiser with variables that are state of the training and no parameters."""

    precision = 1

    def _state(self, name: str, value: float) -> Any:
        return tf.Variable(value, trainable=False, dtype=tf.float32, name=name)

    @property
    def non_trainable_weights(self) -> list[Any]:
        return []


@tf.custom_gradient
def _sign_identity(x: Any) -> Any:
    """sign(x), sign(0) = +1, with the gradient of x."""
    return lq.math.sign(x), lambda dy: dy


def _filter_axes(kernel: Any) -> list[int]:
    return list(range(kernel.shape.rank - 1))


def _variance_unbiased(centred: Any, axes: list[int]) -> Any:
    """The variance with n - 1 in its denominator, which is what the authors' framework computes."""
    count = math.prod(int(centred.shape[axis]) for axis in axes)
    return tf.reduce_sum(tf.square(centred), axis=axes, keepdims=True) / max(count - 1, 1)


@serializable
class ReCU(_Scheduled):
    """ReCU's weight binarisation: standardise each filter, clamp it to a quantile, take the sign.

    Forward: sign(w - mean(w)) per filter (+-1; the scale is a parameter of the layer). The clamp to
    +-Q(tau), Q(tau) = -mean|w'| * log(2 - 2 tau), cuts the gradient of weights that would be stuck in the tails of
    their Laplacian distribution; tau grows during training (``TauSchedule``).
    Source: Xu et al., ReCU: Reviving the Dead Weights in Binary Neural Networks, ICCV 2021, eq. 10 to 14.

    Args:
        tau: the quantile, above 0.5 and at most 1 (1: nothing is clamped).

    Raises:
        UsageError: tau is outside its range.
    """

    def __init__(self, tau: float = 0.99, **kwargs: Any) -> None:
        if not 0.5 < tau <= 1.0:
            raise UsageError("ReCU", f"tau is {tau}", "give a value above 0.5 and at most 1")
        super().__init__(**kwargs)
        self.tau = self._state("tau", tau)

    def call(self, inputs: Any) -> Any:
        axes = _filter_axes(inputs)
        centred = inputs - tf.reduce_mean(inputs, axis=axes, keepdims=True)
        std = tf.sqrt(_variance_unbiased(centred, axes) + _EPSILON) / _STD_OF_RECU
        standardised = centred / std
        bound = tf.stop_gradient(-tf.reduce_mean(tf.abs(standardised)) * tf.math.log(2.0 - 2.0 * self.tau))
        return _sign_identity(tf.clip_by_value(standardised, -bound, bound))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "tau": float(tf.keras.backend.get_value(self.tau))}


@serializable
class ReCUSign(Quantizer):
    """ReCU's activation binarisation: sign, with Bi-Real's gradient taken on the map divided by its deviation.

    In training each sample is divided by its own standard deviation first, which changes no sign but decides where the
    gradient passes; in inference it is a plain sign.
    """

    precision = 1

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training:
            axes = list(range(1, inputs.shape.rank))
            centred = inputs - tf.reduce_mean(inputs, axis=axes, keepdims=True)
            inputs = inputs / tf.sqrt(_variance_unbiased(centred, axes) + _EPSILON)
        return lq.quantizers.approx_sign(inputs)


def _ede(x: Any, t: Any, k: Any) -> Any:
    @tf.custom_gradient
    def sign(x: Any) -> Any:
        def gradient(dy: Any) -> Any:
            return dy * k * t * (1.0 - tf.square(tf.tanh(x * t)))

        return lq.math.sign(x), gradient

    return sign(x)


class _ErrorDecay(_Scheduled):
    """The two numbers of IR-Net's error decay estimator: the sign's gradient is k t (1 - tanh(t x)^2)."""

    def __init__(self, t: float = 10.0, k: float = 1.0, **kwargs: Any) -> None:
        if t <= 0 or k <= 0:
            raise UsageError(type(self).__name__, f"t is {t} and k is {k}", "give values above 0")
        super().__init__(**kwargs)
        self.t = self._state("t", t)
        self.k = self._state("k", k)

    def get_config(self) -> dict[str, Any]:
        values = {name: float(tf.keras.backend.get_value(getattr(self, name))) for name in ("t", "k")}
        return {**super().get_config(), **values}


@serializable
class EDESign(_ErrorDecay):
    """IR-Net's activation binarisation: sign, whose gradient sharpens from an identity to the sign's (``EDESchedule``).

    Source: Qin et al., Forward and Backward Information Retention for Accurate Binary Neural Networks, CVPR 2020.
    """

    def call(self, inputs: Any) -> Any:
        return _ede(inputs, self.t, self.k)


@serializable
class LibraSign(_ErrorDecay):
    """IR-Net's weight binarisation: standardise each filter, take the sign, scale by a power of two.

    Forward: 2^s * sign(w'), w' = (w - mean(w)) / std(w) per filter, s = round(log2(mean|w'|)), with EDE's gradient.
    Source: as ``EDESign``, eq. 6 to 9.
    """

    def call(self, inputs: Any) -> Any:
        axes = _filter_axes(inputs)
        centred = inputs - tf.reduce_mean(inputs, axis=axes, keepdims=True)
        standardised = centred / tf.sqrt(_variance_unbiased(centred, axes))
        exponent = tf.round(tf.math.log(tf.reduce_mean(tf.abs(standardised), axis=axes, keepdims=True)) / math.log(2.0))
        return _ede(standardised, self.t, self.k) * tf.stop_gradient(tf.pow(2.0, exponent))


@serializable
class TwoStepSign(Quantizer):
    """AdamBNN's and ReActNet's weights: real in the first step of the training, mean|w| * sign(w) in the second.

    Step 1 gives the weights clipped to [-1, 1], step 2 mean|w| * sign(w) per filter; the gradient of both is that of
    the clip. ``repbnn_edge.layers.set_training_step`` moves a whole network from one step to the other.
    Source: Liu et al., How Do Adam and Training Strategies Help BNNs Optimization?, ICML 2021.

    Args:
        step: 1 or 2.

    Raises:
        UsageError: any other step.
    """

    def __init__(self, step: int = 2, **kwargs: Any) -> None:
        if step not in (1, 2):
            raise UsageError("TwoStepSign", f"step is {step}", "give 1 (real weights) or 2 (binary weights)")
        super().__init__(**kwargs)
        self.step = step

    @property
    def precision(self) -> int | None:
        """Bits of the output, as larq's summary shows them: None while the weights are real."""
        return 1 if self.step == 2 else None

    def call(self, inputs: Any) -> Any:
        clipped = tf.clip_by_value(inputs, -1.0, 1.0)
        if self.step == 1:
            return clipped
        scale = tf.reduce_mean(tf.abs(inputs), axis=_filter_axes(inputs), keepdims=True)
        return _replace_forward(clipped, scale * lq.math.sign(inputs))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "step": self.step}


def _replace_forward(backward: Any, forward: Any) -> Any:
    """``forward``, with the gradient of ``backward``; no arithmetic of the estimator stays in the graph."""

    @tf.custom_gradient
    def replace(_: Any) -> Any:
        return tf.stop_gradient(forward), lambda dy: dy

    return replace(backward)
