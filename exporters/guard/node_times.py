"""How long each unit of a network takes, by ONNX Runtime's own profiler."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ...runtimes.ort.names import plain_name
from ...runtimes.ort.profile import ProfiledRun, profiled_runs
from ..passes.graph import producers

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from .units import Unit

__all__ = ["unit_times"]

_RUNS = 25


def unit_times(
    model: ModelProto,
    prepared: ModelProto,
    units: Sequence[Unit],
    images: np.ndarray[Any, Any],
    *,
    threads: int,
) -> dict[str, float]:
    """Unit -> milliseconds of one inference spent in it, the median of 25.

    ``model`` is ``prepared`` itself or was made of it; ``images`` is a float32 batch. Work that no
    unit can be named for (borders between float and int8, changes of layout) counts for none.
    """
    of_node = {node: unit.name for unit in units for node in unit.nodes}
    of_tensor = {name: node.name for name, node in producers(prepared.graph).items()}
    spent: dict[str, list[float]] = defaultdict(list)
    for run in _profile(model, images, threads):
        totals: dict[str, float] = defaultdict(float)
        for node in run.nodes:
            name = plain_name(node.name)
            name = name if name in of_node else of_tensor.get(name, "")
            if name in of_node:
                totals[of_node[name]] += node.microseconds / 1000
        for unit in units:
            spent[unit.name].append(totals.get(unit.name, 0.0))
    return {name: median(times) for name, times in spent.items()}


def _profile(model: ModelProto, images: np.ndarray[Any, Any], threads: int) -> list[ProfiledRun]:
    """The runs after the first few."""
    import onnxruntime as ort

    with tempfile.TemporaryDirectory(prefix="nnc-") as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        feeds = {session.get_inputs()[0].name: images}
        for _ in range(_RUNS + 3):
            session.run(None, feeds)
        return profiled_runs(Path(session.end_profiling()))[-_RUNS:]
