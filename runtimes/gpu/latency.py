"""Latency on a GPU as trtexec reports it: computing apart from the copies, with percentiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = ["UNSTEADY", "GpuLatency", "summarise_gpu"]

UNSTEADY = 0.025
"""trtexec calls measurements unsteady whose coefficient of variation is above this."""


@dataclass(frozen=True)
class GpuLatency:
    """Milliseconds of one inference; the percentiles are of the computing alone."""

    median: float
    p90: float
    p95: float
    p99: float
    host_to_device: float
    """Median of the copy to the GPU."""
    device_to_host: float
    """Median of the copy back."""
    variation: float
    """Coefficient of variation of the computing: standard deviation over mean."""

    @property
    def steady(self) -> bool:
        """Whether the clock rate and what else runs there let the figures be trusted."""
        return self.variation <= UNSTEADY

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values, in milliseconds."""
        return {
            "compute": {
                "median": self.median,
                "p90": self.p90,
                "p95": self.p95,
                "p99": self.p99,
            },
            "host_to_device": self.host_to_device,
            "device_to_host": self.device_to_host,
            "variation": self.variation,
            "steady": self.steady,
        }


def summarise_gpu(rounds: Sequence[np.ndarray[Any, Any]]) -> GpuLatency | None:
    """Figures from what `TimedRound.times` holds of each round; None without a GPU's."""
    import numpy as np

    if rounds[0].shape[0] == 1:
        return None
    every = np.concatenate(rounds, axis=1) / 1e6
    compute = every[2]
    median, p90, p95, p99 = map(float, np.percentile(compute, [50, 90, 95, 99]))
    mean = float(compute.mean())
    return GpuLatency(
        median=median,
        p90=p90,
        p95=p95,
        p99=p99,
        host_to_device=float(np.median(every[1])),
        device_to_host=float(np.median(every[3])),
        variation=float(compute.std()) / mean if mean > 0 else 0.0,
    )
