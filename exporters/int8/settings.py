"""How to make an int8 file for ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError
from ..calibration import METHODS
from ..guard.candidate import DEFAULT_PERCENTILE, Candidate
from ..guard.trial import Limits
from ..profiles import TARGETS

__all__ = ["CALIBRATIONS", "Int8Settings"]

CALIBRATIONS: tuple[str, ...] = ("auto", *METHODS)


@dataclass(frozen=True)
class Int8Settings:
    """How to make the int8 file; every field is checked when the object is built."""

    target: str = "auto"
    """The CPU it is for: avx2, vnni, arm64; auto is this machine's."""
    samples: int = 512
    """Calibration images, at most."""
    calibration: str = "auto"
    """How the range of a tensor follows from what was observed of it; auto tries them all and takes
    what keeps the answers on held-back images nearest to the float model's."""
    percentile: float = DEFAULT_PERCENTILE
    """Of the percentile calibration: how much of a tensor's values its range covers."""
    weights_only: bool = False
    """Store the weights as int8 and compute in float: smaller, at float's speed."""
    or_weights_only: bool = False
    """Do that where nothing else holds the limits, in place of failing."""
    tools: tuple[str, ...] = ()
    """Accuracy tools to apply in any case; more are tried where accuracy is lost."""
    max_drop: float | None = 0.5
    """Points of top-1 that int8 may lose on held-back training images; None: any."""
    never_slower: bool = True
    """Refuse a file that is slower than the float one."""
    search_seconds: float = 120.0
    """How long to look for better where int8 as a whole does not pass; 0: try it alone, with the
    first calibration."""
    guard_images: int = 4000
    """Held-back images to judge on, at most; as many others confirm a choice."""
    threads: int = 0
    """Threads for calibrating and judging, 0 leaves it to ONNX Runtime; latency is then compared
    on one."""

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise InputError(
                f"unknown target '{self.target}': expected one of {', '.join(TARGETS)}"
            )
        if self.calibration not in CALIBRATIONS:
            raise InputError(
                f"unknown calibration '{self.calibration}': "
                f"expected one of {', '.join(CALIBRATIONS)}"
            )
        if self.samples < 1:
            raise InputError(f"{self.samples} calibration samples; expected at least 1")
        if self.guard_images < 1:
            raise InputError(f"{self.guard_images} guard images; expected at least 1")
        if self.threads < 0:
            raise InputError(f"{self.threads} threads; expected 0 (automatic) or more")
        object.__setattr__(self, "tools", tuple(self.tools))
        if self.weights_only and self.or_weights_only:
            raise InputError(
                "weights_only and or_weights_only (options --weights-only and "
                "--or-weights-only) exclude each other; drop one"
            )
        if self.weights_only and (self.tools or self.calibration != "auto"):
            raise InputError("weights_only needs no calibration and no tools; leave them out")
        self.candidates()
        _ = self.limits

    @property
    def held_back_images(self) -> int:
        """Held-back images to give: those to judge on, and as many to confirm a choice on."""
        return 2 * self.guard_images

    @property
    def limits(self) -> Limits:
        """What the guard asks."""
        return Limits(self.max_drop, self.never_slower, self.search_seconds)

    def candidates(self) -> tuple[Candidate, ...]:
        """What to try first: whole networks in int8, one for each calibration allowed."""
        if self.weights_only:
            return (Candidate(float_weights="int8", weights_only=True),)
        alone = self.calibration != "auto"
        methods = (self.calibration,) if alone else METHODS if self.search_seconds else METHODS[:1]
        return tuple(Candidate(method, self.percentile, self.tools) for method in methods)
