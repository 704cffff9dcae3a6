"""Bias correction: take out of each layer the shift in its mean that quantising brings.

Nagel, van Baalen, Blankevoort and Welling, Data-free quantization through weight equalization and
bias correction (ICCV 2019), section 4.2 in its empirical form (appendix D): layer by layer, from
the input on, E[q] - E[f] of each output channel, before its activation, is measured with all
layers before it corrected, and taken off the bias.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..passes.graph import attribute, constant, consumers
from .channels import channel_means
from .layers import Layer, levels, set_tensor, weighted_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from onnx import GraphProto, ModelProto

    from ...progress import Task
    from .submodel import Batches

__all__ = ["correct_biases"]


def correct_biases(
    prepared: ModelProto,
    build: Callable[[ModelProto], ModelProto],
    images: Batches,
    *,
    threads: int = 0,
    task: Task | None = None,
) -> ModelProto:
    """A copy of the float model ``prepared`` with biases that make up for what quantising shifts.

    ``build`` quantises a prepared model and keeps the names of its layers. ``images()`` yields
    float32 [N, C, H, W] batches; a hundred images are enough, since both models see the same ones.
    Layers without a bias get one; a MatMul, which takes none, is left alone. Layers that stay float
    are corrected, too: what reaches them is quantised. The quantised model runs once for each layer
    on the longest way through the network; ``task`` advances by one a layer. Memory does not grow
    with the number of images. Raises as `channel_means` does, and ValueError where ``build`` kept
    no layer's name.
    """
    from onnx import ModelProto

    corrected = ModelProto()
    corrected.CopyFrom(prepared)
    layers = [layer for layer in weighted_layers(corrected.graph) if _correctable(layer)]
    if not layers:
        return corrected
    wanted = channel_means(prepared, layers, images, threads=threads)
    quantised = ModelProto()
    quantised.CopyFrom(build(prepared))
    taps = _add_corrections(quantised, layers)
    if not taps:
        raise ValueError("the quantised model has no layer of the float model's names")
    for level in levels(corrected.graph, layers):
        present = [layer for layer in level if layer.name in taps]
        if present:
            twins = [taps[layer.name] for layer in present]
            found = channel_means(quantised, twins, images, threads=threads)
            for layer, twin in zip(present, twins, strict=True):
                correction = wanted[layer.output] - found[twin.output]
                _set_correction(quantised.graph, twin, correction)
                _add_to_bias(corrected.graph, layer, correction)
        if task is not None:
            task.advance(len(level))
    return corrected


def _correctable(layer: Layer) -> bool:
    if layer.node.op_type == "MatMul" or (layer.addend and not layer.bias):
        return False
    return bool(attribute(layer.node, "beta", 1.0) != 0)


def _add_corrections(model: ModelProto, layers: list[Layer]) -> dict[str, Layer]:
    """Let an Add of zeros follow each of ``layers`` in the quantised model; its layers by name.

    The Add stands before the rounding of the output, where the bias acts, and takes over the name
    of the output.
    """
    import numpy as np
    from onnx import helper, numpy_helper

    graph = model.graph
    wanted = {layer.name: layer for layer in layers}
    nodes = list(graph.node)
    del graph.node[:]
    taps = {}
    for node in nodes:
        graph.node.append(node)
        layer = wanted.get(node.name)
        if layer is None or node.op_type != layer.node.op_type:
            continue
        own = graph.node[-1]
        output, bare = own.output[0], f"{own.output[0]}/uncorrected"
        name = f"{output}/correction"
        own.output[0] = bare
        rank = layer.rank
        zeros = np.zeros((layer.channels, *(1,) * (rank - 2)), np.float32)
        graph.initializer.append(numpy_helper.from_array(zeros, name))
        graph.node.append(helper.make_node("Add", [bare, name], [output], name))
        taps[layer.name] = replace(layer, node=graph.node[-1])
    return taps


def _set_correction(graph: GraphProto, tap: Layer, correction: np.ndarray[Any, Any]) -> None:
    import numpy as np

    name = tap.node.input[1]
    before = constant(graph, name)
    assert before is not None, name
    set_tensor(graph, name, correction.astype(np.float32).reshape(before.shape))


def _add_to_bias(graph: GraphProto, layer: Layer, correction: np.ndarray[Any, Any]) -> None:
    """Add float64 [channels] to what the layer adds to its output."""
    import numpy as np
    from onnx import numpy_helper

    correction = correction / attribute(layer.node, "beta", 1.0)
    before = constant(graph, layer.bias) if layer.bias else None
    after = correction if before is None else before.astype(np.float64) + correction
    value = after.astype(np.float32)
    if layer.bias and consumers(graph)[layer.bias] == 1:
        set_tensor(graph, layer.bias, value)
        return
    taken = {tensor.name for tensor in graph.initializer} | {
        name for node in graph.node for name in (*node.input, *node.output)
    }
    name = f"{layer.name}.bias"
    while name in taken:
        name += "_"
    graph.initializer.append(numpy_helper.from_array(value, name))
    del layer.node.input[2:]
    layer.node.input.append(name)
