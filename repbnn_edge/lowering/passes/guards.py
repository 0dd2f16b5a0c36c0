"""A constant behind a binary convolution that LCE would fold into it, wrongly, is kept apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from repbnn_edge import stack
from repbnn_edge.lowering.plan import Apply, Convolution, Plan, Step

_LOWEST = float(np.finfo(np.float32).min)


def guard(plan: Plan, layers: Collection[str]) -> Plan:
    """Put an operator that changes nothing behind some layers' convolutions.

    Given: ``Convolution``, then a sum or product with a constant that is not one number a filter (a map, a column).
    Result: ``Convolution``, maximum with the lowest float, the sum or product. Exact.
    LCE folds such a constant into the operator's bias or multiplier whatever its shape, and the file cannot run. It is
    the one rewrite that costs an operator, so it is made for the layers alone that LCE was seen to break.
    """
    shapes = {}

    def rewrite(step: Step) -> Sequence[Step] | None:
        if not isinstance(step, Convolution) or step.layer not in layers:
            return None
        inner = f"{step.name}/unguarded"
        shapes[inner] = plan.shapes[step.output]
        return [
            replace(step, outputs=(inner,)),
            Apply(name=f"{step.name}/guard", inputs=(inner,), outputs=step.outputs, function=_at_least_the_lowest),
        ]

    return plan.rewritten(rewrite, "kept apart from the constant behind it", shapes)


def _at_least_the_lowest(x: Any) -> Any:
    return stack.tensorflow().maximum(x, _LOWEST)
