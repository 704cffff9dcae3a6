"""Round the weights of a network so that its outputs, not the weights, come out right.

The layers are taken from the input on. Each sees what the already rounded layers before it give in
int8, and is asked for what the float network gives: so it makes up for their errors, too (the
asymmetric reconstruction of Nagel et al. 2020, eq. 25, without the activation function). How a
layer is rounded is in `rounding`; what is gathered from the images in `gram`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..passes.graph import consumers, initialisers, producers
from ..qdq.insert import insert_qdq
from ..qdq.weights import QuantisedWeight
from .gram import Moments
from .layers import Layer, by_output, levels, set_tensor, unoriented, weighted_layers
from .rounding import choose_rounding
from .submodel import Part, run_batches, upto

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    from onnx import GraphProto, ModelProto

    from ...progress import Task
    from ..profiles import Profile
    from .submodel import Batches

__all__ = ["round_weights"]

_WIDEST = 4608
"""Inputs to one output, at most (3 x 3 x 512): the moments of a layer take their square."""


@dataclass(frozen=True, eq=False)
class _Int8:
    """Where a layer's weight is in the quantised graph, and what goes into the layer there."""

    layer: Layer
    values: str
    scales: np.ndarray[Any, Any]
    input: str


def round_weights(
    prepared: ModelProto,
    ranges: Mapping[str, tuple[float, float]],
    profile: Profile,
    images: Batches,
    *,
    float_nodes: Collection[str] = (),
    seed: int = 0,
    threads: int = 0,
    task: Task | None = None,
) -> dict[str, QuantisedWeight]:
    """int8 values for the weights of a prepared model, by initialiser, for `insert_qdq`.

    ``images()`` yields float32 [N, C, H, W] batches; 256 images are plenty. ``ranges`` and
    ``float_nodes`` are those that `insert_qdq` will be given. The scales are those of rounding to
    nearest. No rounded row errs more than it does rounded to nearest, on the positions that were
    looked at, which ``seed`` draws. Missing from the result are layers that stay float, weights
    that several layers share, and those with more than 4,608 inputs to an output.

    Both networks run once over the images for each layer on the longest way through, and memory
    does not grow with the number of images. ``task`` advances by one a layer. Raises InputError
    where there are no images or the model cannot run on them.
    """
    import numpy as np
    from onnx import numpy_helper

    quantised = insert_qdq(prepared, ranges, profile, float_nodes=float_nodes)
    layers = weighted_layers(prepared.graph)
    found = _int8_layers(prepared.graph, quantised.graph, layers)
    stored = initialisers(prepared.graph)
    limit = profile.weight_limit
    generator = np.random.default_rng(seed)
    rounded = {}
    for level in levels(prepared.graph, layers):
        own = [found[layer] for layer in level if layer in found]
        moments = [Moments(prepared.graph, item.layer, generator) for item in own]
        if own:
            _gather(prepared, quantised, own, moments, images, profile, threads)
        for layer in level:
            item = found.get(layer)
            if item is not None:
                weight = numpy_helper.to_array(stored[layer.weight])
                values = _rounded(weight, item, moments[own.index(item)], limit)
                set_tensor(quantised.graph, item.values, values)
                rounded[layer.weight] = QuantisedWeight(values, item.scales, layer.axis)
            if task is not None:
                task.advance(1, note=layer.name)
    return rounded


def _int8_layers(
    graph: GraphProto, quantised: GraphProto, layers: list[Layer]
) -> dict[Layer, _Int8]:
    """Layer -> its place in the quantised graph, for those that can be rounded."""
    import numpy as np
    from onnx import numpy_helper

    counts = consumers(graph)
    made, stored = producers(quantised), initialisers(quantised)
    twins = {node.name: node for node in quantised.node if node.op_type != "DequantizeLinear"}
    found = {}
    for layer in layers:
        twin = twins.get(layer.name)
        source = None if twin is None else made.get(twin.input[1])
        if twin is None or source is None or source.op_type != "DequantizeLinear":
            continue
        if counts[layer.weight] != 1 or source.input[0] not in stored or layer.rank not in (2, 4):
            continue
        scales = numpy_helper.to_array(stored[source.input[1]])
        inputs = int(np.prod(stored[source.input[0]].dims)) // layer.channels
        if scales.shape != (layer.channels,) or inputs > _WIDEST:
            continue
        found[layer] = _Int8(layer, source.input[0], scales, twin.input[0])
    return found


def _gather(
    prepared: ModelProto,
    quantised: ModelProto,
    items: list[_Int8],
    moments: list[Moments],
    images: Batches,
    profile: Profile,
    threads: int,
) -> None:
    inputs = list(dict.fromkeys(item.input for item in items))
    outputs = list(dict.fromkeys(item.layer.output for item in items))
    plain = Part(upto(prepared, outputs), threads=threads)
    # Only weights of 7 bits are sure not to overflow in the int8 kernels of any machine.
    prefix = Part(upto(quantised, inputs), threads=threads, int8=profile.reduce_range)
    for run in run_batches(plain, images):
        given = dict(zip(inputs, prefix(run), strict=True))
        made = dict(zip(outputs, plain(run), strict=True))
        for item, sums in zip(items, moments, strict=True):
            sums.add(given[item.input], made[item.layer.output])
    for sums in moments:
        sums.mean()


def _rounded(
    weight: np.ndarray[Any, Any], item: _Int8, moments: Moments, limit: int
) -> np.ndarray[Any, Any]:
    import numpy as np

    layer = item.layer
    rows = by_output(weight, layer).reshape(moments.cross.shape)
    scales = item.scales.reshape(*moments.cross.shape[:2], 1)
    values = choose_rounding(rows / scales, moments.inputs, moments.cross / scales, limit)
    return unoriented(values.astype(np.int8), layer, weight.shape)
