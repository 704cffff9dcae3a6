"""Cross-layer equalisation: balance the channels between two layers before they are quantised.

Nagel, van Baalen, Blankevoort and Welling, Data-free quantization through weight equalization and
bias correction (ICCV 2019), section 4.1. Output channel i of a layer is divided by s_i, and what
the next layer does with channel i is multiplied by s_i; between the two stand only operators with
f(s x) = s f(x), so the network computes what it did. s_i = sqrt(r1_i / r2_i) (eq. 11) gives both
weights the same range in channel i; pairs share layers, so this is repeated until nothing moves.

A Clip (ReLU6) commutes with scaling only where its upper limit is never met. A channel before a
Clip is therefore scaled only where interval arithmetic proves that it stays below the limit, before
and after. Given images, r1 is what they show of the activation: with a scale for each output
channel of a weight, it is the activation, with one scale for all its channels, that is short of
resolution.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..passes.graph import constant
from .bounds import greatest_outputs
from .channels import ChannelRange, channel_ranges
from .layers import Layer, by_output, set_tensor, unoriented
from .pairs import Pair, find_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from onnx import GraphProto, ModelProto

    from .submodel import Batches

__all__ = ["Equalised", "EqualisedPair", "equalise"]

_SWEEPS = 100
_SETTLED = 1e-3
"""Where no factor is further from 1 than this, the sweeps end."""
_STRONGEST = 2.0**16
"""No channel is scaled by more, so that nothing comes near the ends of float32."""
_HEADROOM = 1.25
"""A Clip's limit is taken for unreached where it is that much above all that was observed."""


@dataclass(frozen=True)
class EqualisedPair:
    """Two layers between which channels were scaled."""

    first: str
    second: str
    channels: int
    """Channels with a factor other than 1."""
    least: float
    """The smallest factor by which a channel of ``first`` was divided."""
    greatest: float
    proven: bool
    """False where a Clip's limit is unreached on the images only, and not for every input."""


@dataclass(frozen=True)
class Equalised:
    """What equalising did."""

    pairs: tuple[EqualisedPair, ...]
    sweeps: int

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return asdict(self)


def equalise(
    model: ModelProto,
    images: Batches | None = None,
    *,
    trust_images: bool = False,
    threads: int = 0,
) -> Equalised:
    """Equalise ``model``, a prepared float model, in place; its outputs stay what they were.

    Without ``images`` (float32 [N, C, H, W] batches) only the weights decide. ``trust_images``
    also scales channels before a Clip whose limit no image comes near (a factor of 1.25): then
    inputs unlike the images may give other outputs, and ``proven`` is False for that pair.
    Raises InputError where the model cannot run on the images.
    """
    import numpy as np

    graph = model.graph
    pairs = find_pairs(graph)
    bounds = greatest_outputs(graph)
    seen: Mapping[str, ChannelRange] = {}
    if images is not None and pairs:
        seen = channel_ranges(model, [pair.first for pair in pairs], images, threads=threads)
    state = _State(graph, pairs)
    limits = []
    for pair in pairs:
        bound = bounds[pair.first.output]
        if trust_images and pair.first.output in seen:
            bound = np.minimum(bound, _HEADROOM * seen[pair.first.output].highest)
        limits.append(_limits(pair, bound))
    total = [np.ones(len(free)) for free, _ in limits]
    sweeps = 0
    for _ in range(_SWEEPS if pairs else 0):
        sweeps += 1
        moved = 0.0
        for index, pair in enumerate(pairs):
            free, least = limits[index]
            now = seen.get(pair.first.output)
            own = None if now is None else _magnitude(pair, now) / total[index]
            wanted = total[index] * state.factors(pair, own)
            wanted = np.where(free, np.clip(wanted, least, _STRONGEST), 1.0)
            factors = wanted / total[index]
            state.scale(pair, factors)
            total[index] = wanted
            moved = max(moved, float(np.abs(np.log(factors)).max(initial=0.0)))
        if moved < _SETTLED:
            break
    state.write()
    told = tuple(
        _told(pair, factors, bounds[pair.first.output])
        for pair, factors in zip(pairs, total, strict=True)
        if (factors != 1).any()
    )
    return Equalised(told, sweeps)


class _State:
    """The magnitudes of all weights in pairs, and what their channels were scaled by so far."""

    def __init__(self, graph: GraphProto, pairs: list[Pair]) -> None:
        import numpy as np

        self._graph = graph
        self._layers = {
            layer.weight: layer for pair in pairs for layer in (pair.first, pair.second)
        }
        feeding = {pair.second.weight: pair.first.channels for pair in pairs}
        self._rows: dict[str, np.ndarray[Any, Any]] = {}
        self._columns: dict[str, np.ndarray[Any, Any]] = {}
        self._magnitudes: dict[str, np.ndarray[Any, Any]] = {}
        for name, layer in self._layers.items():
            rows = np.abs(by_output(_value(graph, name), layer))
            channels = feeding.get(name, layer.groups)
            grouped = rows.reshape(_inputs_shape(layer, channels))
            # [groups, outputs, channels of the layer before]: taps are scaled alike.
            self._magnitudes[name] = grouped.max(axis=3)
            self._rows[name] = np.ones(layer.channels)
            self._columns[name] = np.ones(channels)

    def factors(self, pair: Pair, own: np.ndarray[Any, Any] | None) -> np.ndarray[Any, Any]:
        """sqrt(r1 / r2) for each channel of the pair; 1 where either is 0.

        ``own`` is the observed r1. Then r2 is taken relative to the greatest weight of its row,
        which sets the row's scale; else both are plain weight ranges, as in the paper.
        """
        import numpy as np

        second = self._scaled(pair.second)
        if own is None:
            own = self._scaled(pair.first).max(axis=2).reshape(-1)
        else:
            top = second.max(axis=2, keepdims=True)
            second /= np.where(top > 0, top, 1.0)
        theirs = second.max(axis=1).reshape(-1)
        usable = (own > 0) & (theirs > 0)
        return np.sqrt(np.where(usable, own, 1.0) / np.where(usable, theirs, 1.0))

    def scale(self, pair: Pair, factors: np.ndarray[Any, Any]) -> None:
        """Divide the first layer's outputs by ``factors`` and multiply them back in the second."""
        self._rows[pair.first.weight] /= factors
        self._columns[pair.second.weight] *= factors

    def write(self) -> None:
        """Put the scaled weights and biases into the graph."""
        import numpy as np

        for name, layer in self._layers.items():
            weight = _value(self._graph, name)
            rows = np.array(by_output(weight, layer), order="C")
            rows *= self._rows[name].astype(np.float32)[:, None, None]
            columns = self._columns[name].astype(np.float32).reshape(layer.groups, 1, -1, 1)
            inputs = rows.reshape(_inputs_shape(layer, len(self._columns[name])))
            inputs *= columns
            set_tensor(self._graph, name, unoriented(rows, layer, weight.shape))
            if layer.bias and (self._rows[name] != 1).any():
                bias = _value(self._graph, layer.bias) * self._rows[name]
                set_tensor(self._graph, layer.bias, bias.astype(np.float32))

    def _scaled(self, layer: Layer) -> np.ndarray[Any, Any]:
        """Magnitudes as they are now, a new array [groups, outputs, channels]."""
        import numpy as np

        name = layer.weight
        scaled = self._magnitudes[name] * self._columns[name].astype(np.float32).reshape(
            layer.groups, 1, -1
        )
        scaled *= self._rows[name].astype(np.float32).reshape(layer.groups, -1, 1)
        return scaled


def _inputs_shape(layer: Layer, channels: int) -> tuple[int, int, int, int]:
    """Of `by_output`'s rows: groups, outputs, channels of the layer before, values of each."""
    return layer.groups, layer.channels // layer.groups, channels // layer.groups, -1


def _value(graph: GraphProto, name: str) -> np.ndarray[Any, Any]:
    value = constant(graph, name)
    assert value is not None, name
    return value


def _limits(
    pair: Pair, bound: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Which channels may be scaled, and the least factor that each may be divided by.

    With ceiling c, a channel that never exceeds m <= c may be divided by s if also m / s <= c.
    """
    import numpy as np

    floor = np.full(len(bound), 1 / _STRONGEST)
    if not np.isfinite(pair.ceiling):
        return np.ones(len(bound), bool), floor
    return bound <= pair.ceiling, np.maximum(floor, bound / pair.ceiling)


def _magnitude(pair: Pair, seen: ChannelRange) -> np.ndarray[Any, Any]:
    """What of the first layer's output gets past a Clip or Relu; without one, its magnitude."""
    import numpy as np

    highest = np.minimum(seen.highest, pair.ceiling)
    magnitude: np.ndarray[Any, Any] = np.maximum(highest, 0.0)
    if not pair.rectified:
        magnitude = np.maximum(magnitude, -seen.lowest)
    return magnitude


def _told(pair: Pair, factors: np.ndarray[Any, Any], bound: np.ndarray[Any, Any]) -> EqualisedPair:
    import numpy as np

    free, least = _limits(pair, bound)
    return EqualisedPair(
        first=pair.first.name,
        second=pair.second.name,
        channels=int((factors != 1).sum()),
        least=float(factors.min()),
        greatest=float(factors.max()),
        proven=bool(np.all((factors == 1) | (free & (factors >= least)))),
    )
