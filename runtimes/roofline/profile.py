"""A network under its roof: what the machine's peaks allow, layer by layer, beside the time taken.

The roofline model (Williams, Waterman, Patterson, 2009): a layer takes at least as long as its
arithmetic at the peak of arithmetic, and at least as long as its bytes at the peak of moving bytes;
the later of the two is its limit. The whole's limit is the sum, for layers run one after the other.

What it assumes:

- One MAC is two operations; layers computed on integers have the int8 peak, all others float32's.
  Element by element work costs nothing but its bytes.
- A layer reads its inputs and its weights once and writes its output once. What was computed before
  lies in the last-level cache if the whole layer fits in there, else the part that does.
- Weights are read again with each inference, and until then the rest of the network wants the
  cache, too: the part of them stays there that the cache is of the whole network's bytes. So
  AlexNet's fully connected layers come from memory, while a network for 28 pixels lives in the
  cache, as it does when the bench runs it over and over. Where the size of the cache is not known,
  all bytes are taken to come from memory.

The limit can be undercut, and ``attained`` exceed 1: by a runtime that finds bytes in the caches
nearer to the core, fuses a sum into the convolution before it, or has a convolution with fewer
multiplications than the textbook's (Winograd).
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .costs import LayerCost, layer_costs
from .layer_times import OTHER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..artifact import Artifact
    from .peaks import Peak

__all__ = ["LayerProfile", "Profile", "profile_of", "profile_of_costs"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LayerProfile:
    """One layer: its work for one batch, what the machine allows, and the time it took."""

    name: str
    op: str
    int8: bool
    macs: int | None
    bytes: int | None
    limit_ms: float | None
    limit: str | None
    """``compute`` or ``memory``; None where neither can be told, or there is nothing to do."""
    ms: float | None
    """None where layers were not timed."""
    share: float | None
    """Of the time of all layers."""


@dataclass(frozen=True)
class Profile:
    """A network beside its limit, for one number of threads and one batch size."""

    threads: int
    batch_size: int
    limit_ms: float | None
    """The sum of its layers' limits; None where one of them is unknown."""
    attained: float | None
    """``limit_ms`` over ``measured_ms``: 1 is as fast as the machine allows."""
    measured_ms: float
    layers: tuple[LayerProfile, ...]
    """In the order of the graph; with times, what no layer can be named for stands last."""

    def to_json(self) -> dict[str, Any]:
        """The ``profile`` of docs/bench-json.md."""
        return {**asdict(self), "layers": [asdict(layer) for layer in self.layers]}


def profile_of(
    artifact: Artifact,
    latency_ms: float,
    peak: Peak,
    *,
    threads: int,
    batch_size: int,
    layer_times: Mapping[str, float] | None = None,
) -> Profile | None:
    """``artifact`` under the roof of ``peak``, which was measured with as many threads.

    ``latency_ms`` is what one inference of ``batch_size`` images takes; ``layer_times`` are what
    `time_layers` found. None for a checkpoint, an engine, and a graph whose layers cannot be told.
    """
    from ..onnx_model.files import load_model

    if artifact.kind != "onnx":
        return None
    spec = artifact.card.input
    try:
        model = load_model(artifact.path)
        costs = layer_costs(model, (spec.channels, spec.height, spec.width), batch_size)
    except MemoryError:
        raise
    # An odd graph can break any assumption about its nodes; a measurement must not end there.
    except Exception as error:  # noqa: BLE001
        log.warning("%s: no roofline: its layers cannot be told (%s)", artifact.path, error)
        return None
    return profile_of_costs(
        costs, latency_ms, peak, threads=threads, batch_size=batch_size, layer_times=layer_times
    )


def profile_of_costs(
    costs: Sequence[LayerCost],
    latency_ms: float,
    peak: Peak,
    *,
    threads: int,
    batch_size: int,
    layer_times: Mapping[str, float] | None = None,
) -> Profile | None:
    """`profile_of` for layers that are known already; None where there are none."""
    if not costs:
        return None
    roof = _Roof(peak, costs)
    whole = 0.0 if layer_times is None else sum(layer_times.values())

    def timed(name: str) -> tuple[float | None, float | None]:
        if layer_times is None:
            return None, None
        spent = layer_times.get(name, 0.0)
        return spent, spent / whole if whole else 0.0

    layers = [
        LayerProfile(
            cost.name,
            cost.op,
            cost.int8,
            cost.macs,
            cost.bytes,
            *roof.over(cost),
            *timed(cost.name),
        )
        for cost in costs
    ]
    if layer_times is not None:
        layers.append(LayerProfile(OTHER, "", False, 0, 0, 0.0, None, *timed(OTHER)))
    limits = [layer.limit_ms for layer in layers]
    limit = None if None in limits else sum(ms for ms in limits if ms is not None)
    attained = None if limit is None or latency_ms <= 0 else limit / latency_ms
    return Profile(threads, batch_size, limit, attained, latency_ms, tuple(layers))


class _Roof:
    """The limits of a network's layers."""

    def __init__(self, peak: Peak, costs: Sequence[LayerCost]) -> None:
        self._peak = peak
        weights = sum(cost.weight_bytes or 0 for cost in costs)
        widest = max(cost.activation_bytes or 0 for cost in costs)
        self._from_memory = self._outside(weights + widest)
        """The part of the weights that does not stay in the cache until it is read again."""

    def over(self, cost: LayerCost) -> tuple[float | None, str | None]:
        """Milliseconds that a layer takes at least, and which of the two limits it."""
        memory, compute = self._memory_ms(cost), self._compute_ms(cost)
        if memory is None or compute is None:
            return None, None
        if not memory and not compute:
            return 0.0, None
        return (compute, "compute") if compute > memory else (memory, "memory")

    def _compute_ms(self, cost: LayerCost) -> float | None:
        peak = self._peak.int8_ops_per_s if cost.int8 else None
        speed = peak or self._peak.flops_per_s
        return None if cost.macs is None else 1000 * 2 * cost.macs / speed

    def _memory_ms(self, cost: LayerCost) -> float | None:
        if cost.bytes is None or cost.weight_bytes is None or cost.activation_bytes is None:
            return None
        slow = cost.weight_bytes * self._from_memory
        slow += cost.activation_bytes * self._outside(cost.bytes)
        fast = cost.bytes - slow
        quick = max(self._peak.cache_bytes_per_s or 0.0, self._peak.bytes_per_s)
        return 1000 * (slow / self._peak.bytes_per_s + fast / quick)

    def _outside(self, size: int) -> float:
        """The part of so many bytes that the cache has no room for."""
        cache = self._peak.cache_bytes if self._peak.cache_bytes_per_s else None
        if cache is None:
            return 1.0
        return max(0.0, 1 - cache / size) if size else 0.0
