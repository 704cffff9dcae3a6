"""How long each node takes that ONNX Runtime executes: its profiler's times, less what it costs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ..ort.profile import ProfiledRun, profiled_runs
from ..reasons import short_reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

__all__ = ["TimedNode", "time_nodes"]

_SECONDS = 1.5
"""For all runs, with the profiler and without; slow networks take longer."""
_BLOCKS = (2, 6)
"""Fewest and most turns of each session."""
_RUNS = (2, 40)
"""Fewest and most runs that count in a turn; one more goes before them."""
_WARM_UP = 2

_TENSORS_PER_NODE = 12
"""The profiler writes down each node and its tensors' shapes: 4 microseconds a node and a third of
one a tensor where it was measured, so that a node costs as much as 12 tensors."""


@dataclass(frozen=True)
class TimedNode:
    """One node of the optimised graph."""

    name: str
    """Its own, or empty."""
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ms: float

    @classmethod
    def from_json(cls, node: Mapping[str, Any]) -> TimedNode:
        """One that `dataclasses.asdict` and JSON were through."""
        sides = {side: tuple(node[side]) for side in ("inputs", "outputs")}
        return cls(**{**node, **sides})


def time_nodes(path: Path, threads: int, batch: np.ndarray[Any, Any]) -> tuple[TimedNode, ...]:
    """Run a file on ``batch``, float32 [N, C, H, W], with the profiler and without, in turns.

    What is executed, in its order; medians over the runs. What the profiler adds to each node's
    time is taken off again, as far as the nodes together take longer than an inference without it
    and no time falls below zero. Raises InputError for a file or batch that ONNX Runtime refuses.
    """
    with tempfile.TemporaryDirectory(prefix="nnc-") as folder:
        try:
            plain = _session(path, threads)
            profiled = _session(path, threads, Path(folder))
            feeds = {plain.get_inputs()[0].name: batch}
            without, runs = _times(plain, profiled, feeds)
            events = profiled_runs(Path(profiled.end_profiling()))
            graph = _optimised(Path(folder))
        except MemoryError:
            raise
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise InputError(
                f"{path}: ONNX Runtime cannot profile it: {short_reason(error)}"
            ) from error
    counted = [run for index, run in enumerate(events) if index in runs] or events
    return _nodes(graph, counted, without)


def _session(path: Path, threads: int, folder: Path | None = None) -> Any:
    """As files are benched on the CPU; into ``folder`` go a profile and the optimised graph."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if folder is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(folder / "profile")
        options.optimized_model_filepath = str(folder / "optimised.onnx")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _times(plain: Any, profiled: Any, feeds: dict[str, Any]) -> tuple[float, set[int]]:
    """Milliseconds without the profiler, and which of the profiled runs count."""

    def run(session: Any) -> float:
        start = perf_counter()
        session.run(None, feeds)
        return perf_counter() - start

    for _ in range(_WARM_UP):
        run(profiled)
    cost = min(run(plain) for _ in range(_WARM_UP))
    affordable = _SECONDS / 2 / cost
    blocks = _within(_BLOCKS, affordable / (1 + _RUNS[0]))
    runs = _within(_RUNS, affordable / blocks)
    times: list[float] = []
    counted: set[int] = set()
    done = _WARM_UP
    for _ in range(blocks):
        for session in (plain, profiled):
            # The other session has had the caches.
            run(session)
            taken = [run(session) for _ in range(runs)]
            if session is plain:
                times += taken
        counted.update(range(done + 1, done + 1 + runs))
        done += 1 + runs
    return 1000 * median(times), counted


def _within(bounds: tuple[int, int], wanted: float) -> int:
    return max(bounds[0], min(bounds[1], round(wanted)))


def _optimised(folder: Path) -> Any:
    import onnx

    return onnx.load(folder / "optimised.onnx", load_external_data=False).graph


def _nodes(graph: Any, runs: Sequence[ProfiledRun], without: float) -> tuple[TimedNode, ...]:
    events = runs[0].nodes
    times = [
        median(run.nodes[index].microseconds for run in runs) / 1000 for index in range(len(events))
    ]
    weights = [_TENSORS_PER_NODE + event.tensors for event in events]
    cost = min(
        max(0.0, sum(times) - without) / sum(weights),
        min(time / weight for time, weight in zip(times, weights, strict=True)),
    )
    nodes = []
    for written, event, time, weight in zip(
        _in_order(graph, runs[0]), events, times, weights, strict=True
    ):
        inputs, outputs = (tuple(written.input), tuple(written.output)) if written else ((), ())
        name = event.name if written is None else written.name
        nodes.append(TimedNode(name, event.op, inputs, outputs, time - weight * cost))
    return tuple(nodes)


def _in_order(graph: Any, run: ProfiledRun) -> list[Any]:
    """The node of the optimised graph that each event is of; None where it cannot be told.

    The graph is written in the order it is executed in; where it is not, names must do.
    """
    if [node.op_type for node in graph.node] == [event.op for event in run.nodes]:
        return list(graph.node)
    named = {node.name: node for node in graph.node if node.name}
    return [named.get(event.name) for event in run.nodes]
