"""What quantising did, in lines for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...exporters.executed.explain import Explanation
    from ...exporters.int8.result import Int8Result

__all__ = ["explanation_lines", "int8_lines"]


def int8_lines(result: Int8Result) -> Iterator[str]:
    """The choice, what it costs and gains, and what is left in float."""
    candidate = result.trial.candidate
    tools = f", with {', '.join(candidate.tools)}" if candidate.tools else ""
    if candidate.weights_only:
        yield "weights stored as int8, all arithmetic in float"
        if result.instead_of:
            yield f"int8 arithmetic was given up: {result.instead_of}"
    else:
        yield (
            f"profile {result.profile}, {candidate.calibration} calibration on "
            f"{result.samples} images{tools}"
        )
    share = f"{result.explanation.int8_mac_share:.1%} of the MACs in int8"
    left = Counter(node.op for node in result.explanation.nodes if not node.int8)
    names = ", ".join(f"{count} {op}" for op, count in sorted(left.items()))
    yield f"{share}{f'; in float: {names}' if names else ''}"
    if candidate.float_nodes:
        stored = " (weights stored as int8)" if candidate.float_weights == "int8" else ""
        yield f"left in float by the guard{stored}: {', '.join(candidate.float_nodes)}"
    if result.trial.drop is not None:
        yield f"held-back images: {result.trial.drop}"
    if result.trial.confirmed is not None:
        yield f"others, that no choice was made by: {result.trial.confirmed}"
    if result.trial.pace is not None:
        yield f"latency: {result.trial.pace}"
    elif candidate.weights_only:
        yield "latency: the float file's, for ONNX Runtime executes the same nodes"
    yield f"{result.size_bytes / result.source_size_bytes:.1%} of the float file's bytes"


def explanation_lines(explanation: Explanation) -> Iterator[str]:
    """A line for each node: int8 or float, its part of the MACs, and why."""
    whole = sum(node.macs for node in explanation.nodes) or 1
    for node in explanation.nodes:
        kind = "int8 " if node.int8 else "float"
        yield f"{kind} {node.macs / whole:>6.1%}  {node.op:<20} {node.name}: {node.why}"
