"""The passes over the file's graph, in the order in which they run; one pass a module."""

from __future__ import annotations

from collections.abc import Callable

from repbnn_converters.onnx.graph import Graph
from repbnn_converters.onnx.passes import (
    cancel_residues,
    common_subexpressions,
    dead_code,
    drop_identities,
    fold_constants,
    masked_writes,
    refuse_training,
)

PIPELINE: tuple[Callable[[Graph], None], ...] = (
    # Before all else: recognition succeeds on a training export, and the result would be silently wrong.
    refuse_training.run,
    # What it replaces has sizes that depend on the input, and must not be looked at further.
    masked_writes.run,
    # Identities hide that two values are one.
    drop_identities.run,
    common_subexpressions.run,
    # Needs one name a value; must come before folding, which rounds residues into the weights.
    cancel_residues.run,
    # What a residue needed is dead, and must not be computed.
    dead_code.run,
    fold_constants.run,
    # A folded constant can be an Expand's target or equal to another one.
    drop_identities.run,
    common_subexpressions.run,
    dead_code.run,
)


def run_all(graph: Graph) -> None:
    """Run the pipeline."""
    for run in PIPELINE:
        run(graph)
