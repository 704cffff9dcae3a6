"""What pruning aims at where no fraction is given: MACs, parameters or milliseconds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ...errors import InputError

__all__ = ["TARGETS", "Target", "amount"]

TARGETS = ("macs", "parameters", "latency_ms")

_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9}
_AMOUNT = re.compile(r"(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)\s*([KMG]?)", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """A size or a time that the exported network must not exceed.

    MACs and parameters up to 1 are fractions of the whole network's, above 1 they are counts;
    a latency is in milliseconds.
    """

    kind: str
    value: float

    def __post_init__(self) -> None:
        if self.kind not in TARGETS:
            raise InputError(f"target '{self.kind}': expected {', '.join(TARGETS)}")
        if not (0 < self.value < math.inf):
            raise InputError(f"target_{self.kind} = {self.value:g}: expected a number above 0")
        if self.kind != "latency_ms" and self.value > 1 and self.value % 1:
            raise InputError(
                f"target_{self.kind} = {self.value:g}: expected a fraction up to 1 or a whole "
                f"count; did you mean {self.value:g}M?"
            )

    def limit(self, whole: float) -> float:
        """The largest value allowed, where the whole network has ``whole``."""
        relative = self.kind != "latency_ms" and self.value <= 1
        return self.value * whole if relative else self.value

    def text(self, value: float) -> str:
        """``value`` with its unit, to stand in a message."""
        if self.kind == "latency_ms":
            return f"{value:.3g} ms"
        return f"{value:,.0f} {'MACs' if self.kind == 'macs' else 'parameters'}"


def amount(text: str) -> float:
    """``0.5``, ``1100000``, ``1.1M`` or ``815K`` as a number; InputError for anything else."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise InputError(f"'{text}': expected a number, as in 0.5, 815K or 1.1M")
    return float(match[1]) * _UNITS[match[2].upper()]
