"""What a network would hold once exported, and how long one image would take there."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ...exporters.onnx_export import ROUND_TO
from ...model_card import InputSpec
from ...runtimes.ort.runtime import OrtRuntime
from ...runtimes.workers.latency import runs_per_round, time_runs, warm_up
from .masks import Masks
from .selection import Kept

if TYPE_CHECKING:
    from .traced import Size, Traced

__all__ = ["Sizes"]

WARM_UP_SECONDS = 1.0
TIMED_SECONDS = 0.3
LEAST_RUNS = 9


class Sizes:
    """Measures networks of one architecture on a copy of its own, on the CPU.

    ``round_to`` is the multiple that export keeps channels in.
    """

    def __init__(
        self, network: nn.Module, spec: InputSpec, traced: Traced, *, round_to: int = ROUND_TO
    ) -> None:
        self._spec = spec
        self._traced = traced
        self._round_to = round_to
        self._copy = copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format).eval()

    def whole(self) -> Size:
        """Of the architecture, nothing pruned."""
        with torch.no_grad():
            for parameter in self._copy.parameters():
                parameter.fill_(1)
        return self._traced.size(self._copy, round_to=self._round_to)

    def of(self, network: nn.Module, kept: Kept | None = None) -> Size:
        """Of ``network``, less what ``kept`` lets go."""
        return self._traced.size(self._pruned(network, kept), round_to=self._round_to)

    def latency_ms(self, network: nn.Module, kept: Kept | None = None) -> float:
        """Milliseconds for one image in ONNX Runtime, one thread: the median of many runs.

        Raises MissingError where ONNX Runtime is not installed.
        """
        model = self._traced.compacted(self._pruned(network, kept), round_to=self._round_to)
        spec = self._spec
        image = np.random.default_rng(0).standard_normal(
            (1, spec.channels, spec.height, spec.width), dtype=np.float32
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "compact.onnx"
            path.write_bytes(model.SerializeToString())
            with OrtRuntime(path) as runtime:
                feeds = {runtime.inputs[0].name: image}
                each = warm_up(runtime, feeds, WARM_UP_SECONDS)
                runs = max(LEAST_RUNS, runs_per_round(each, TIMED_SECONDS))
                return float(np.median(time_runs(runtime, feeds, runs))) / 1e6

    def _pruned(self, network: nn.Module, kept: Kept | None) -> nn.Module:
        self._copy.load_state_dict(network.state_dict())
        if kept is not None:
            Masks(self._copy, kept.masks(self._copy)).apply()
        return self._copy
