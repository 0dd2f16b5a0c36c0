"""One call while it is being widened: what a rule sees of it, and what it can do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

from repbnn_edge.errors import UnsupportedError
from repbnn_edge.keras_graph import Node, copy_layer, copy_weights

Axes = tuple[int | None, ...]


@dataclass
class Result:
    """What a rule gives: one tensor and one wide axis (None: as wide as it was) for each output of the node."""

    tensors: list[Any]
    axes: Axes


@dataclass
class Changes:
    """What became of a layer, for the table: the layers that stand for it, their weights, what there is to say."""

    layers: list[Any]
    weights: Literal["kept", "fresh", "tiled"]
    note: str = ""


@dataclass
class NewLayers:
    """The layers made so far; a shared layer is made once, and all its calls must want the same."""

    forms: dict[str, Hashable] = field(default_factory=dict)
    made: dict[str, list[Any]] = field(default_factory=dict)
    changes: dict[str, Changes] = field(default_factory=dict)

    def get(self, node: Node, form: Hashable, make: Callable[[], list[Any]]) -> list[Any]:
        """The layers for this call, made by ``make`` the first time.

        Raises:
            UnsupportedError: an earlier call of the same layer wanted another form.
        """
        name = node.layer_name
        if name not in self.made:
            self.made[name], self.forms[name] = make(), form
        elif self.forms[name] != form:
            raise UnsupportedError(
                name, "it is called twice, and its calls would need two widths", "give each call a layer of its own"
            )
        return self.made[name]


@dataclass
class Call:
    """A node's call in the new network.

    Attributes:
        node: the call in the old network.
        beta: the repeat factor.
        tensors: what it reads in the new network.
        axes: for each of them the axis that is beta times as wide as before, None where none is.
        new: the layers made so far.
        repeat: gives ``tensors[i]`` repeated beta times along its last axis.
    """

    node: Node
    beta: int
    tensors: list[Any]
    axes: list[int | None]
    new: NewLayers
    repeat: Callable[[int], Any]

    @property
    def layer(self) -> Any:
        """The old layer."""
        return self.node.layer

    @property
    def axis(self) -> int:
        """The wide axis of the first input."""
        axis = self.axes[0]
        assert axis is not None
        return axis

    def rank(self, index: int = 0) -> int:
        """The rank of an input, batch included."""
        return len(self.node.inputs[index].shape)

    def widen(self, index: int) -> None:
        """Repeat an input that is not wide yet."""
        if self.axes[index] is None:
            self.tensors[index] = self.repeat(index)
            self.axes[index] = self.rank(index) - 1

    def need_last_axis(self) -> None:
        """Refuse a wide axis that is not the channels', and channels that stand first."""
        if self.axis != self.rank() - 1 or getattr(self.layer, "data_format", None) == "channels_first":
            raise self.refusal("its channels are not on the last axis", "write the network with channels last")

    def refusal(self, why: str, do: str = "replace it, or leave this network at beta 1") -> UnsupportedError:
        """The error that names this layer."""
        return UnsupportedError(self.node.layer_name, why, do)

    def copied(self, axes: Axes, note: str = "", **changes: Any) -> Result:
        """Call a copy of the layer; it keeps its weights if their shapes are as before."""
        weights_form = (
            (tuple(self.axes), tuple(tensor.shape[-1] for tensor in self.tensors)) if self.layer.weights else ()
        )
        form = (type(self.layer).__name__, repr(sorted(changes.items())), weights_form)
        first = self.node.layer_name not in self.new.made
        (copy,) = self.new.get(self.node, form, lambda: [copy_layer(self.layer, self.node.layer_name, **changes)])
        result = self.node.call(self.tensors, copy)
        fresh = False
        if first:
            fresh = not _same_shapes(self.layer, copy)
            if not fresh:
                copy_weights(self.layer, copy)
        if first and any(axis is not None for axis in (*self.axes, *axes)):
            self.new.changes[self.node.layer_name] = Changes([copy], "fresh" if fresh else "kept", note)
        return self.result(result, axes)

    def replaced(self, make: Callable[[], list[Any]], form: Hashable, axes: Axes, note: str = "") -> Result:
        """Call other layers, one after the other, in place of this one; their weights start afresh."""
        layers = self.new.get(self.node, form, make)
        result = self.node.call(self.tensors, layers[0])
        for layer in layers[1:]:
            result = layer(result)
        self.new.changes[self.node.layer_name] = Changes(layers, "fresh", note)
        return self.result(result, axes)

    def operation(self, axes: Axes, changed: dict[str, Any] | None = None) -> Result:
        """Call the wrapped TensorFlow function again, some of its arguments changed by name."""
        bound = self.arguments()
        bound.arguments.update(changed or {})
        copy = copy_layer(self.layer, self.node.layer_name if self.node.is_first_call else None)
        return self.result(copy(*bound.args, **bound.kwargs), axes)

    def arguments(self) -> inspect.BoundArguments:
        """The wrapped function's arguments by name, with defaults."""
        args, kwargs = self.node.map_arguments(self.tensors)
        bound = inspect.signature(self.layer.function).bind(*args, **kwargs)
        bound.apply_defaults()
        return bound

    def result(self, result: Any, axes: Axes) -> Result:
        """Pair the tensors of a call with their wide axes."""
        return Result(list(result) if isinstance(result, list | tuple) else [result], axes)


def _same_shapes(old: Any, new: Any) -> bool:
    return [tuple(w.shape) for w in old.weights] == [tuple(w.shape) for w in new.weights]
