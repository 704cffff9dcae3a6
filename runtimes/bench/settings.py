"""How to measure: every choice of the bench, checked when it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from ...errors import InputError
from ..base import RuntimeOptions, check_place

__all__ = ["LEAST_LAUNCHES", "LEAST_ROUNDS", "MOST_LAUNCHES", "BenchSettings"]

LEAST_LAUNCHES = 2
"""One launch cannot tell how far launches differ."""
LEAST_ROUNDS = 6
MOST_LAUNCHES = 1000
_USUAL_LAUNCHES = 6
_LONG_LAUNCHES = 20
_USUAL_ROUNDS = 10
_LONGEST_SWEEP = 64


@dataclass(frozen=True)
class BenchSettings:
    """How to measure; every field is checked when the object is built."""

    device: str = "cpu"
    """``cpu``, ``cuda``, or both with a comma between: rows of the first one first."""
    threads: tuple[int, ...] = (1,)
    """Threads of one inference on the CPU, one number after the other; the first is the headline.
    A single number will do."""
    batch_sizes: tuple[int, ...] = (1,)
    """Images in one timed inference, likewise; each goes with each number of threads."""
    rounds: int | None = None
    """How often the files take turns, over all launches; None for 10 a launch."""
    seconds: float = 3.0
    """Timed seconds of each file, number of threads and batch size, over all rounds."""
    launches: int | None = None
    """How often all files are started anew; None as ``seconds`` allow, 6 for 3 seconds."""
    seed: int = 0
    accuracy: bool = True
    roofline: bool = True
    """Whether to set ONNX files on the CPU under the machine's peaks; two seconds or three."""
    profile: bool = False
    """Whether to time their layers for that, too."""
    provider: str | None = None
    """ONNX Runtime's provider on a GPU: cuda, tensorrt or nv-tensorrt-rtx; None is cuda."""
    allow_fallback: bool = False
    """Whether nodes that the provider does not take may run on the CPU."""
    trust: bool = False
    """Whether to load an engine that has no sidecar."""
    torch_compile: bool = False
    """Measure checkpoints compiled by PyTorch, too, beside eager."""
    images: int | None = None
    """Images to measure accuracy on: the first so many that the test part yields; None for all."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "threads", _several("threads", self.threads))
        object.__setattr__(self, "batch_sizes", _several("batch size", self.batch_sizes))
        for count in self.threads:
            for device in self.devices:
                check_place(device, count)
        for size in self.batch_sizes:
            _whole("batch size", size, 1, 65_536)
        if len(self.pairs) > _LONGEST_SWEEP:
            raise InputError(
                f"{len(self.pairs)} pairs of threads and batch size: expected {_LONGEST_SWEEP} at "
                "most"
            )
        if self.profile and not self.roofline:
            raise InputError("a profile sets layers under the roofline; expected both, or neither")
        if self.provider is not None and "cuda" not in self.devices:
            raise InputError(f"provider '{self.provider}' runs on a GPU; use --device cuda")
        if self.allow_fallback and "cuda" not in self.devices:
            raise InputError("on the CPU nothing falls back; leave out --allow-fallback")
        _ = self.options
        if self.rounds is not None:
            _whole("rounds", self.rounds, LEAST_ROUNDS, 10_000)
        if self.launches is not None:
            most = MOST_LAUNCHES if self.rounds is None else min(self.rounds, MOST_LAUNCHES)
            why = " (one gives no interval, and each has a round)"
            _whole("launches", self.launches, LEAST_LAUNCHES, most, why)
        _whole("seed", self.seed, 0, 2**63 - 1)
        if self.images is not None:
            _whole("images", self.images, 1, 2**31)
        number = isinstance(self.seconds, (int, float)) and not isinstance(self.seconds, bool)
        # False for NaN as well, and safe for whole numbers that no float can hold.
        if not number or not 0 < self.seconds <= 3600:
            raise InputError(f"seconds {self.seconds}: expected a number above 0, 3600 at most")

    @property
    def devices(self) -> tuple[str, ...]:
        """What to compute on, the first one first."""
        return tuple(self.device.split(","))

    @property
    def options(self) -> RuntimeOptions:
        """What the runtimes are told; InputError where that is not to be."""
        return RuntimeOptions(self.provider, self.allow_fallback, self.trust)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Every number of threads with every batch size; the first is the headline."""
        return tuple((count, size) for count in self.threads for size in self.batch_sizes)

    @property
    def launch_count(self) -> int:
        """How often the files are started anew.

        What differs from launch to launch does not become less by timing longer in one, so longer
        runs are launched more often: 2 times at least, 6 for 3 seconds, then once more for every
        two seconds, 20 at most.
        """
        if self.launches is not None:
            return self.launches
        short = LEAST_LAUNCHES + self.seconds * (_USUAL_LAUNCHES - LEAST_LAUNCHES) / 3
        usual = min(short, _USUAL_LAUNCHES + (self.seconds - 3) / 2, _LONG_LAUNCHES)
        return min(round(max(usual, LEAST_LAUNCHES)), self.rounds or MOST_LAUNCHES)

    @property
    def rounds_per_launch(self) -> int:
        """Rounds of one launch; all launches have the same, so there may be a few more in all."""
        return _USUAL_ROUNDS if self.rounds is None else ceil(self.rounds / self.launch_count)


def _several(name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    values = (value,) if isinstance(value, (int, str)) else tuple(value)
    if not values:
        raise InputError(f"no {name} given; expected one number or more")
    if len(set(values)) < len(values):
        raise InputError(f"{name} {','.join(map(str, values))}: expected each number once")
    return values


def _whole(name: str, value: int, low: int, high: int, why: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name} {value}: expected a whole number from {low} to {high}{why}")
