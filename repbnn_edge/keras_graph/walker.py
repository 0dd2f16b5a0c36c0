"""Reads a Keras 2 model into a ``Graph``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from repbnn_edge import stack
from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.keras_graph.graph import Graph, Node, Value


def walk(model: Any, *, allow_lambdas: bool = False) -> Graph:
    """Read a functional or Sequential model, models inside it inlined.

    Args:
        model: a Keras 2 model, or a ``Graph``, which is given back.
        allow_lambdas: let Python Lambda layers through, for a caller that replaces them.

    Raises:
        BadInputError: not a Keras 2 model, or one whose input shape is not known.
        UnsupportedError: a Python Lambda or a subclassed model, by name.
    """
    if isinstance(model, Graph):
        return model
    _check_model(model)
    names = _layer_names(model)
    reader = _Reader(names, allow_lambdas)
    inputs = tuple(
        Value(names[id(tensor._keras_history.layer)], _shape(tensor), tensor.dtype.name) for tensor in model.inputs
    )
    outputs = reader.read(model, dict(zip(map(id, model.inputs), inputs, strict=True)), {})
    return Graph(model.name, inputs, tuple(reader.nodes), tuple(outputs), model._nested_outputs)


@dataclass
class _Reader:
    names: dict[int, str]
    allow_lambdas: bool
    nodes: list[Node] = field(default_factory=list)
    calls: dict[int, int] = field(default_factory=dict)

    def read(self, model: Any, values: dict[int, Value], inherited: dict[str, Any]) -> list[Value]:
        """Append the model's nodes; ``values`` maps its Keras tensors (by id), inputs filled in by the caller."""
        for call in _calls(model):
            if _is_model(call.layer):
                self._inline(call, values, inherited)
            else:
                self._append(call, values, inherited)
        return [values[id(tensor)] for tensor in model.outputs]

    def _inline(self, call: Any, values: dict[int, Value], inherited: dict[str, Any]) -> None:
        model, nest = call.layer, stack.tensorflow().nest
        _check_model(model)
        structure = call.call_args[0] if call.call_args else call.call_kwargs["inputs"]
        given = model._flatten_to_reference_inputs(structure)
        inner = {id(own): values[id(tensor)] for own, tensor in zip(model.inputs, given, strict=True)}
        outputs = self.read(model, inner, inherited | _training(call.call_kwargs))
        values.update(zip(map(id, nest.flatten(call.outputs)), outputs, strict=True))

    def _append(self, call: Any, values: dict[int, Value], inherited: dict[str, Any]) -> None:
        layer, nest = call.layer, stack.tensorflow().nest
        if not self.allow_lambdas:
            _refuse_lambdas(layer)
        kwargs = dict(call.call_kwargs)
        if inherited and layer._call_spec.expects_training_arg:
            kwargs = {**inherited, **_training(kwargs), **{k: v for k, v in kwargs.items() if k != "training"}}
        structure = (tuple(call.call_args), kwargs)
        arguments = nest.flatten(structure)
        places = [i for i, argument in enumerate(arguments) if id(argument) in values]
        if strange := [a for a in arguments if hasattr(a, "_keras_history") and id(a) not in values]:
            raise UnsupportedError(
                layer.name, f"it reads {strange[0].name}, which no layer of this model makes", "make it one model"
            )
        index = self.calls[id(layer)] = self.calls.get(id(layer), 0) + 1
        layer_name = self.names[id(layer)]
        name = layer_name if index == 1 else f"{layer_name}#{index}"
        flat_outputs = nest.flatten(call.outputs)
        taps = [name] if len(flat_outputs) == 1 else [f"{name}:{i}" for i in range(len(flat_outputs))]
        outputs = tuple(Value(tap, _shape(t), t.dtype.name) for tap, t in zip(taps, flat_outputs, strict=True))
        inputs = tuple(values[id(arguments[place])] for place in places)
        self.nodes.append(
            Node(name, layer_name, layer, inputs, outputs, tuple(arguments), structure, tuple(places)),
        )
        values.update(zip(map(id, flat_outputs), outputs, strict=True))


def _calls(model: Any) -> Iterator[Any]:
    """The model's own calls in Keras' order of running them, without those that only declare an input."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from (call for call in model._nodes_by_depth[depth] if not call.is_input)


def _layer_names(model: Any) -> dict[int, str]:
    """A unique name for every layer (by id): its own where nobody else bears it, else with its models' before it."""
    paths: dict[int, str] = {}
    own: dict[int, str] = {}

    def visit(part: Any, prefix: str) -> None:
        for layer in part._self_tracked_trackables:
            if _is_model(layer):
                _check_model(layer)
                visit(layer, f"{prefix}{layer.name}.")
            elif id(layer) not in own:
                own[id(layer)], paths[id(layer)] = layer.name, prefix + layer.name

    visit(model, "")
    bearers: dict[str, int] = {}
    for name in own.values():
        bearers[name] = bearers.get(name, 0) + 1
    names: dict[int, str] = {}
    taken = {name for name, count in bearers.items() if count == 1}
    for key, name in own.items():
        wanted = name if bearers[name] == 1 else paths[key]
        unique, number = wanted, 1
        while unique in taken and not (unique == name and bearers[name] == 1):
            number += 1
            unique = f"{wanted}_{number}"
        names[key] = unique
        taken.add(unique)
    return names


def _is_model(layer: Any) -> bool:
    return isinstance(layer, stack.tensorflow().keras.Model)


def _check_model(model: Any) -> None:
    keras = stack.tensorflow().keras
    if not _is_model(model):
        raise BadInputError(
            getattr(model, "name", type(model).__name__),
            f"a {type(model).__module__}.{type(model).__name__} is no Keras 2 model",
            "give a tf.keras functional or Sequential model",
        )
    if type(model).call not in (_functional().call, keras.Sequential.call):
        raise UnsupportedError(
            model.name,
            "it is a subclassed model, whose layers cannot be seen from outside",
            "write it with the functional API",
        )
    if not getattr(model, "_is_graph_network", False) or not getattr(model, "inputs", None):
        raise BadInputError(model.name, "its input shape is not known", "give its first layer an input_shape")


def _functional() -> Any:
    """Keras' class of functional models, which it does not export."""
    keras = stack.tensorflow().keras
    return next(kind for kind in keras.Sequential.__mro__ if kind.__name__ == "Functional")


def _refuse_lambdas(layer: Any) -> None:
    python_lambda = stack.tensorflow().keras.layers.Lambda
    for part in layer._flatten_layers():
        if isinstance(part, python_lambda):
            raise UnsupportedError(
                layer.name,
                "it is a Python Lambda, which nobody can read",
                "write it with Keras layers or TensorFlow functions",
            )


def _training(kwargs: dict[str, Any]) -> dict[str, Any]:
    """``training`` as a model was called with, which holds for the layers inside it."""
    return {"training": kwargs["training"]} if kwargs.get("training") is not None else {}


def _shape(tensor: Any) -> tuple[int | None, ...]:
    return tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else ()
