"""What ONNX Runtime's profiler wrote down: how long each executed node took, run by run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NodeTime", "ProfiledRun", "profiled_runs"]

_RUN = "SequentialExecutor::Execute"
_ENDING = "_kernel_time"


@dataclass(frozen=True)
class NodeTime:
    """One execution of one node."""

    name: str
    """As executed; a node without a name is called by its operator and index."""
    op: str
    microseconds: float
    tensors: int
    """How many it reads and writes."""


@dataclass(frozen=True)
class ProfiledRun:
    """One inference: its nodes in the order they ran, and the microseconds of it all."""

    nodes: tuple[NodeTime, ...]
    microseconds: float


def profiled_runs(profile: Path) -> list[ProfiledRun]:
    """The runs in a file that a session with ``enable_profiling`` wrote, those cut off left out.

    The profiler's own work is part of each time: some microseconds a node.
    """
    events: list[dict[str, Any]] = json.loads(profile.read_text("utf-8"))
    runs: list[tuple[float, list[NodeTime]]] = []
    # A run and its first node may begin in the same microsecond.
    for event in sorted(events, key=lambda event: (float(event["ts"]), event["name"] != _RUN)):
        name = str(event["name"])
        if name == _RUN:
            runs.append((float(event["dur"]), []))
        elif runs and event.get("cat") == "Node" and name.endswith(_ENDING):
            args = event.get("args", {})
            tensors = sum(len(args.get(f"{side}_type_shape", ())) for side in ("input", "output"))
            node = NodeTime(
                name.removesuffix(_ENDING),
                str(args.get("op_name", "")),
                float(event["dur"]),
                tensors,
            )
            runs[-1][1].append(node)
    full = max((len(nodes) for _, nodes in runs), default=0)
    return [ProfiledRun(tuple(nodes), time) for time, nodes in runs if len(nodes) == full]
