from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from nnc.errors import InputError
from nnc.exporters.calibration import observe
from nnc.exporters.post_training import correct_biases
from nnc.exporters.post_training.channels import channel_means
from nnc.exporters.post_training.layers import set_tensor, weighted_layers
from nnc.exporters.profiles import PROFILES
from nnc.exporters.qdq.insert import complete_ranges, insert_qdq, tensors_to_observe

from ..conftest import run_onnx, tiny_model
from .building import Net, counted, images, tensor


def coarse(model: ModelProto) -> ModelProto:
    """A stand-in for quantising: weights on a grid far too coarse, everything else as it is."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for layer in weighted_layers(copy.graph):
        set_tensor(copy.graph, layer.weight, np.floor(2 * tensor(copy, layer.weight)) / 2)
    return copy


def means(model: ModelProto, names: list[str], source=None) -> dict[str, np.ndarray]:
    layers = [layer for layer in weighted_layers(model.graph) if layer.name in names]
    assert len(layers) == len(names)
    found = channel_means(model, layers, source or images(model_channels(model)))
    return {layer.name: found[layer.output] for layer in layers}


def model_channels(model: ModelProto) -> int:
    return model.graph.input[0].type.tensor_type.shape.dim[1].dim_value


def chain(**kwargs) -> Net:
    net = Net(**kwargs).conv("a", 6, 3).add("Relu").conv("b", 6, 1, groups=6).clip()
    net.conv("c", 4, 6, 1, bias=False)
    return net.add("GlobalAveragePool").add("Flatten").gemm("fc", 5, 4, beta=0.5)


def shared() -> Net:
    net = chain()
    net.nodes[2].input[2] = "a.bias"
    del net.constants["b.bias"]
    return net


def one_number() -> Net:
    net = Net().add("GlobalAveragePool").add("Flatten").gemm("a", 6, 3, bias=(1,))
    return net.add("Relu").gemm("fc", 5, 6, transposed=False, bias=False, alpha=2.0)


NETS = {
    "chain": (chain(), "a b c fc"),
    "old opset": (chain(opset=13), "a b c fc"),
    "new opset": (chain(opset=20), "a b c fc"),
    "shared bias": (shared(), "a b c fc"),
    "gemms": (one_number(), "a fc"),
}


@pytest.mark.parametrize(("net", "names"), NETS.values(), ids=NETS.keys())
def test_the_mean_of_every_layer_is_that_of_the_float_network(net, names):
    model = net.build()
    before = model.SerializeToString()
    names = names.split()
    shifted = means(coarse(model), names)
    corrected = correct_biases(model, coarse, images())
    wanted, found = means(model, names), means(coarse(corrected), names)
    for name in names:
        assert np.abs(shifted[name] - wanted[name]).max() > 1e-3
        # Layers read each other's shifts: each is corrected with those before it corrected.
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4, atol=1e-4)
    assert model.SerializeToString() == before


def test_weights_stay_and_missing_biases_come():
    model = chain().build()
    corrected = correct_biases(model, coarse, images())
    for layer in weighted_layers(corrected.graph):
        np.testing.assert_array_equal(
            tensor(corrected, layer.weight), tensor(model, layer.weight), strict=True
        )
        assert tensor(corrected, layer.bias).shape == (layer.channels,)


def test_a_matmul_is_left_alone():
    net = Net().conv("a", 6, 3).add("GlobalAveragePool").add("Flatten")
    net.add("MatMul", net.random("m", 6, 4), name="fc")
    corrected = correct_biases(net.build(), coarse, images())
    assert len(corrected.graph.node) == 4
    assert list(corrected.graph.node[3].input) == ["flatten2", "m"]
    np.testing.assert_allclose(
        means(coarse(corrected), ["a"])["a"], means(net.build(), ["a"])["a"], atol=1e-4
    )


def test_an_exact_copy_needs_no_correction():
    model = chain().build()
    corrected = correct_biases(model, lambda given: given, images())
    for layer in weighted_layers(model.graph):
        if layer.bias:
            np.testing.assert_allclose(
                tensor(corrected, layer.bias), tensor(model, layer.bias), atol=1e-6
            )


def test_the_logits_of_an_int8_network_keep_their_mean():
    model = tiny_model(channels=3)
    source = images(batch=32)
    observed = observe(model, tensors_to_observe(model), source)
    ranges = complete_ranges(model, observed.ranges("minmax"))

    def build(prepared: ModelProto) -> ModelProto:
        return insert_qdq(prepared, ranges, PROFILES["avx2"])

    given = np.concatenate([*source()])
    wanted = run_onnx(model, given).mean(axis=0)
    plain = run_onnx(build(model), given).mean(axis=0)
    found = run_onnx(build(correct_biases(model, build, source)), given).mean(axis=0)
    assert np.abs(found - wanted).max() < 0.2 * np.abs(plain - wanted).max()


def test_a_fixed_batch_is_filled_or_left_out():
    net = chain()
    net.shape[0] = 8
    corrected = correct_biases(net.build(), coarse, images(count=20, batch=10))
    first = images(count=20, batch=10)

    def whole():
        for batch in first():
            yield batch[:8]

    again = correct_biases(net.build(), coarse, whole)
    np.testing.assert_array_equal(tensor(corrected, "a.bias"), tensor(again, "a.bias"))


def test_memory_does_not_grow_with_the_images():
    alive: list[int] = []
    correct_biases(chain().build(), coarse, counted(images(count=400), alive))
    assert len(alive) == 25 * 5  # one pass in float, one for each of four layers
    assert max(alive) <= 2


def test_each_layer_is_a_step():
    class Task:
        steps = 0

        def advance(self, steps: int = 1, note: str = "") -> None:
            self.steps += steps

    task = Task()
    correct_biases(chain().build(), coarse, images(), task=task)
    assert task.steps == 4


def test_no_images_are_refused():
    with pytest.raises(InputError, match="no images: expected at least one batch"):
        correct_biases(chain().build(), coarse, lambda: iter(()))


def test_a_build_that_renames_layers_is_a_mistake():
    def rename(model: ModelProto) -> ModelProto:
        copy = coarse(model)
        for node in copy.graph.node:
            node.name += "/other"
        return copy

    with pytest.raises(ValueError, match="no layer of the float model's names"):
        correct_biases(chain().build(), rename, images())


def test_nan_names_its_tensor():
    from nnc.errors import NncError

    net = chain()
    net.constants["c.weight"][0] = np.nan
    with pytest.raises(NncError, match="tensor 'c' becomes NaN"):
        correct_biases(net.build(), coarse, images())


def test_a_network_without_layers_is_its_own_correction():
    model = Net().add("Relu").build()
    assert correct_biases(model, coarse, images()) == model


def test_channel_means_are_over_images_and_positions():
    model = Net(channels=2).conv("a", 3, 2, 1).build()
    source = images(channels=2, count=40, batch=15)
    [layer] = weighted_layers(model.graph)
    found = channel_means(model, [layer, replace(layer)], source)["a"]
    weight = numpy_helper.to_array(model.graph.initializer[0])[:, :, 0, 0]
    pixels = np.concatenate([*source()])
    expected = weight @ pixels.mean(axis=(0, 2, 3)) + tensor(model, "a.bias")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
