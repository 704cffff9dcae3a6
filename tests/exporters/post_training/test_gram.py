from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto

from nnc.exporters.post_training.gram import Moments
from nnc.exporters.post_training.layers import by_output, set_tensor, unoriented, weighted_layers
from nnc.exporters.post_training.rounding import output_error

from ..conftest import run_onnx
from .building import Net, images, tensor

LAYERS = {
    "plain": Net().conv("a", 4, 3),
    "no bias": Net().conv("a", 4, 3, bias=False),
    "pointwise": Net().conv("a", 4, 3, 1),
    "strides and uneven pads": Net().conv("a", 4, 3, strides=[2, 1], pads=[0, 1, 2, 3]),
    "dilations": Net().conv("a", 4, 3, dilations=[2, 1], pads=[2, 1, 2, 1]),
    "valid": Net().conv("a", 4, 3, auto_pad="VALID", pads=[0, 0, 0, 0]),
    "same, upper": Net().conv("a", 4, 3, 4, auto_pad="SAME_UPPER", strides=[3, 2]),
    "same, lower": Net().conv("a", 4, 3, 4, auto_pad="SAME_LOWER", strides=[3, 2]),
    "depthwise": Net().conv("a", 6, 1, groups=3),
    "grouped": Net(channels=4).conv("a", 6, 2, groups=2),
    "gemm": Net(size=2).add("Flatten").gemm("a", 5, 12, alpha=2.0, beta=0.5),
    "gemm, the other way": Net(size=2).add("Flatten").gemm("a", 5, 12, transposed=False),
}
for key in ("same, upper", "same, lower", "valid"):
    node = LAYERS[key].nodes[0]
    kept = [item for item in node.attribute if item.name != "pads"]
    del node.attribute[:]
    node.attribute.extend(kept)


def matmul() -> Net:
    net = Net(channels=4, size=4)
    return net.add("MatMul", net.random("m", 4, 6), name="a")


LAYERS["matmul of four axes"] = matmul()


@pytest.mark.parametrize("net", LAYERS.values(), ids=LAYERS.keys())
def test_the_quadratic_form_is_the_mean_squared_difference_of_outputs(net):
    model = net.build()
    [layer] = weighted_layers(model.graph)
    channels, size = net.shape[1:3]
    pixels = np.concatenate([*images(channels, size, 32)()])
    # What the quantised network would see there: the same, disturbed.
    disturbed = pixels + np.float32(0.2) * np.sign(pixels) ** 2
    moments = Moments(model.graph, layer, np.random.default_rng(0))
    made = run_onnx(model, pixels)
    for part in (slice(0, 20), slice(20, 32)):
        inside = disturbed[part]
        if layer.node.op_type == "Gemm":
            inside = inside.reshape(len(inside), -1)
        moments.add(inside, made[part])
    moments.mean()
    weight = tensor(model, layer.weight)
    rows = np.rint(4 * by_output(weight, layer)) / 4
    other = ModelProto()
    other.CopyFrom(model)
    set_tensor(other.graph, layer.weight, unoriented(rows.astype(np.float32), layer, weight.shape))
    difference = (made - run_onnx(other, disturbed)).astype(np.float64)
    if layer.node.op_type == "Gemm":
        difference /= 2.0 if net is LAYERS["gemm"] else 1.0
    axes = (0, 2, 3) if layer.convolves else tuple(range(difference.ndim - 1))
    expected = (difference**2).mean(axis=axes)
    values = rows.reshape(moments.cross.shape)
    found = output_error(values, moments.inputs, moments.cross) + moments.power
    np.testing.assert_allclose(found.reshape(-1), expected, rtol=1e-3, atol=1e-4)


def test_large_feature_maps_are_sampled_by_seed():
    net = Net(size=20).conv("a", 4, 3)
    model = net.build()
    [layer] = weighted_layers(model.graph)
    [pixels] = images(3, 20, 16)()
    made = run_onnx(model, pixels)
    found = []
    for seed in (0, 0, 1):
        moments = Moments(model.graph, layer, np.random.default_rng(seed))
        moments.add(pixels, made)
        moments.mean()
        found.append(moments.inputs)
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0
