"""The fraction that meets a target, found by bisection on what the export would hold."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ...progress import SILENT, Progress
from .selection import Kept, Scored
from .sizes import Sizes
from .targets import Target

__all__ = ["Budget"]

STEPS = 2048
"""Fractions are found to one part in this."""

HEADROOM = 0.05
"""A latency is sought this share below its limit, so that later measurements are within it."""


class Budget:
    """A target for networks of one architecture.

    ``sparse``: single weights are taken, so zeros do not count as parameters.
    """

    def __init__(self, target: Target, sizes: Sizes, *, sparse: bool) -> None:
        self._target = target
        self._sizes = sizes
        self._sparse = sparse
        whole = sizes.whole()
        self._whole = float(whole.macs if target.kind == "macs" else whole.parameters)
        self.limit = target.limit(self._whole)

    def value(self, network: nn.Module, kept: Kept | None = None) -> float:
        """MACs, parameters or milliseconds of ``network``, less what ``kept`` lets go."""
        if self._target.kind == "latency_ms":
            return self._sizes.latency_ms(network, kept)
        size = self._sizes.of(network, kept)
        if self._target.kind == "macs":
            return float(size.macs)
        return float(size.nonzero_parameters if self._sparse else size.parameters)

    def fraction(
        self, network: nn.Module, scored: Scored, *, progress: Progress = SILENT
    ) -> tuple[float, str]:
        """The smallest fraction of ``scored`` that meets the target, and "".

        Where none does, the largest there is, and what is missed and how far it gets, in words.
        """
        timed = self._target.kind == "latency_ms"
        aim = self.limit * (1 - HEADROOM) if timed else self.limit

        def meets(step: int) -> bool:
            return self.value(network, scored.keep(step / STEPS)) <= aim

        with progress.task(
            f"searching {self._target.text(self.limit)}", STEPS.bit_length()
        ) as task:
            most = self.value(network, scored.keep((STEPS - 1) / STEPS))
            step = STEPS - 1
            if most <= aim:
                task.advance()
                step = bisect(meets, step, lambda: task.advance())
        return step / STEPS, "" if most <= self.limit else self._missed(most)

    def over(self, network: nn.Module, latency_ms: float | None = None) -> str:
        """What a retrained network misses, in words; "" where it meets the target.

        ``latency_ms`` is its measured time, where that is the target.
        """
        value = self.value(network) if latency_ms is None else latency_ms
        if value <= self.limit:
            return ""
        text = self._target.text
        return f"target of {text(self.limit)} missed: retrained, the network has {text(value)}"

    def _missed(self, most: float) -> str:
        text = self._target.text
        whole = "" if self._target.kind == "latency_ms" else f" of {text(self._whole)}"
        return (
            f"target of {text(self.limit)} cannot be met: with all pruned that can go, "
            f"{text(most)}{whole} are left"
        )


def bisect(meets: Callable[[int], bool], largest: int, heard: Callable[[], None]) -> int:
    """The smallest number from 0 to ``largest`` that ``meets``; ``largest`` is known to."""
    low, high = -1, largest
    while high - low > 1:
        middle = (low + high) // 2
        if meets(middle):
            high = middle
        else:
            low = middle
        heard()
    return high
