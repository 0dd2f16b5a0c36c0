"""The rewrites, in the order in which they run; each is exact, and each is a file with what it is given and gives."""

from __future__ import annotations

from collections.abc import Callable

from repbnn_edge.lowering.passes.dense import dense_as_convolution
from repbnn_edge.lowering.passes.groups import split_groups
from repbnn_edge.lowering.passes.pads import absorb_pads
from repbnn_edge.lowering.passes.signs import sign_last
from repbnn_edge.lowering.passes.trimming import trim_float_pads
from repbnn_edge.lowering.passes.weights import fold_weight_quantizers
from repbnn_edge.lowering.passes.zeros import pad_with_zeros
from repbnn_edge.lowering.plan import Plan

PASSES: tuple[Callable[[Plan], Plan], ...] = (
    fold_weight_quantizers,
    dense_as_convolution,
    absorb_pads,  # before sign_last, which cannot move a sign across zeros
    sign_last,  # from here on every binary convolution reads a sign
    split_groups,
    pad_with_zeros,
    trim_float_pads,
)


def run_passes(plan: Plan) -> Plan:
    """Run all of them."""
    for rewrite in PASSES:
        plan = rewrite(plan)
    return plan
