"""What the channels of inner tensors do on images: their ranges and their means.

Each tensor is reduced to one number a channel inside the network, so that memory does not grow with
the number of images, nor with their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from .submodel import Part, run_batches, upto

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from onnx import ModelProto

    from .layers import Layer
    from .submodel import Batches

__all__ = ["ChannelRange", "channel_means", "channel_ranges"]


@dataclass(frozen=True, eq=False)
class ChannelRange:
    """The least and the greatest value of each channel, float64 [channels]."""

    lowest: np.ndarray[Any, Any]
    highest: np.ndarray[Any, Any]


def channel_ranges(
    model: ModelProto, layers: Sequence[Layer], images: Batches, *, threads: int = 0
) -> dict[str, ChannelRange]:
    """Layer output -> what its channels range over on ``images``, float32 [N, C, H, W] batches.

    Raises InputError where there are no images, the model cannot run on them, or a tensor becomes
    NaN or infinite.
    """
    import numpy as np

    names = _distinct(layers)
    found: dict[str, ChannelRange] = {}
    for _, values in _reduced(model, layers, ("ReduceMin", "ReduceMax"), images, threads):
        for name, low, high in zip(names, values[0::2], values[1::2], strict=True):
            before = found.get(name)
            if before is not None:
                low = np.minimum(low, before.lowest)
                high = np.maximum(high, before.highest)
            found[name] = ChannelRange(low, high)
    return found


def channel_means(
    model: ModelProto, layers: Sequence[Layer], images: Batches, *, threads: int = 0
) -> dict[str, np.ndarray[Any, Any]]:
    """Layer output -> the mean of each channel over images and positions, float64 [channels].

    Raises as `channel_ranges` does.
    """
    names = _distinct(layers)
    sums: dict[str, np.ndarray[Any, Any]] = {}
    seen = 0
    for count, values in _reduced(model, layers, ("ReduceMean",), images, threads):
        seen += count
        for name, mean in zip(names, values, strict=True):
            sums[name] = sums[name] + count * mean if name in sums else count * mean
    return {name: total / seen for name, total in sums.items()}


def _distinct(layers: Iterable[Layer]) -> list[str]:
    return list(dict.fromkeys(layer.output for layer in layers))


def _reduced(
    model: ModelProto,
    layers: Sequence[Layer],
    kinds: tuple[str, ...],
    images: Batches,
    threads: int,
) -> Iterator[tuple[int, list[np.ndarray[Any, Any]]]]:
    """For each run the number of images, and every layer's output reduced by each of ``kinds``."""
    import numpy as np
    from onnx import helper, numpy_helper

    part = upto(model, _distinct(layers))
    graph = part.graph
    opset = next(entry.version for entry in part.opset_import if entry.domain in ("", "ai.onnx"))
    outputs = []
    for index, layer in enumerate({layer.output: layer for layer in layers}.values()):
        flat = f"channels/{index}"
        # [images, channels, positions], or [rows, channels]: any rank becomes one of the two.
        shape, axes = ([0, 0, -1], [0, 2]) if layer.convolves else ([-1, layer.channels], [0])
        for name, numbers in ((f"{flat}/shape", shape), (f"{flat}/axes", axes)):
            graph.initializer.append(numpy_helper.from_array(np.array(numbers, np.int64), name))
        graph.node.append(helper.make_node("Reshape", [layer.output, f"{flat}/shape"], [flat]))
        for kind in kinds:
            name = f"{flat}/{kind}"
            if opset >= 18:
                node = helper.make_node(kind, [flat, f"{flat}/axes"], [name], keepdims=0)
            else:
                node = helper.make_node(kind, [flat], [name], keepdims=0, axes=axes)
            graph.node.append(node)
            outputs.append(name)
    del graph.output[:]
    graph.output.extend(helper.make_tensor_value_info(name, 1, None) for name in outputs)
    runner = Part(part, threads=threads)
    owners = [layer for layer in _distinct(layers) for _ in kinds]
    for run in run_batches(runner, images):
        values = [value.astype(np.float64) for value in runner(run)]
        for owner, value in zip(owners, values, strict=True):
            if not np.isfinite(value).all():
                raise InputError(
                    f"tensor '{owner}' becomes NaN or infinite on the images; "
                    "check the weights of the layer before it"
                )
        yield len(run), values
