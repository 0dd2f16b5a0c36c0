"""A network and its exported file with ``tanh`` in place of the sign of activations: no bit can flip in those.

What is left is everything but the step of the sign itself: whether there is one, what it reads, all weights, all other
arithmetic. Where a rounding turns a binary network into another, this still shows a file that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def smooth_file(data: bytes) -> bytes:
    """The ONNX file with every Sign that depends on the input made Tanh; weights' own signs stay."""
    import onnx

    model = onnx.ModelProto.FromString(data)
    depends = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if depends.isdisjoint(node.input):
            continue
        depends.update(node.output)
        if node.op_type == "Sign":
            node.op_type = "Tanh"
    return bytes(model.SerializeToString())


def smooth_run(torch: Any, run: Callable[[Any], Any], image: Any) -> Any:
    """``run(image)`` with the same done to PyTorch's operators while it lasts."""
    from torch.utils._python_dispatch import TorchDispatchMode

    aten = torch.ops.aten
    smooth = {
        aten.sign.default: aten.tanh.default,
        aten.sgn.default: aten.tanh.default,
        aten.sign_.default: aten.tanh_.default,
        aten.sgn_.default: aten.tanh_.default,
    }
    # By identity, and kept alive so that no other tensor takes the number of a dead one.
    depends = {id(image): image}

    class Smooth(TorchDispatchMode):  # type: ignore[misc, unused-ignore]
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = torch.utils._pytree.tree_leaves((args, kwargs))
            if not any(id(value) in depends for value in given):
                return function(*args, **(kwargs or {}))
            result = smooth.get(function, function)(*args, **(kwargs or {}))
            for value in torch.utils._pytree.tree_leaves(result):
                if isinstance(value, torch.Tensor):
                    depends[id(value)] = value
            return result

    with Smooth():
        return run(image)
