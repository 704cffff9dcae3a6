from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from nnc.errors import InputError
from nnc.exporters.calibration import observe
from nnc.exporters.post_training import round_weights, rounding
from nnc.exporters.profiles import PROFILES
from nnc.exporters.qdq.insert import complete_ranges, insert_qdq, tensors_to_observe

from ..conftest import run_onnx, sqnr, tiny_model
from .building import Net, counted, images, tensor

AVX2 = PROFILES["avx2"]


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(rounding, "_STEPS", 150)


def dequantised(own):
    shape = [1] * own.values.ndim
    shape[own.axis] = -1
    return own.values.astype(np.float32) * own.scales.reshape(shape)


def ranges_of(model: ModelProto, source) -> dict[str, tuple[float, float]]:
    observed = observe(model, tensors_to_observe(model), source).ranges("minmax")
    return complete_ranges(model, observed)


def rounded(model: ModelProto, profile=AVX2, source=None, **kwargs):
    source = source or images()
    return round_weights(model, ranges_of(model, source), profile, source, **kwargs)


def network() -> ModelProto:
    net = Net().conv("a", 16, 3).add("Relu").conv("b", 16, 1, groups=16).clip()
    net.conv("c", 8, 16, 1).conv("d", 12, 4, 1, groups=2).add("Relu")
    return net.add("GlobalAveragePool").add("Flatten").gemm("fc", 10, 12, False).build()


@pytest.mark.parametrize(("target", "limit"), [("avx2", 64), ("vnni", 127), ("arm64", 127)])
def test_each_value_is_a_neighbour_of_its_weight(target, limit):
    model = network()
    found = rounded(model, PROFILES[target])
    assert set(found) == {f"{name}.weight" for name in ("a", "b", "c", "d", "fc")}
    for name, own in found.items():
        weight = tensor(model, name)
        assert own.values.shape == weight.shape
        assert np.abs(own.values.astype(int)).max() == limit
        step = np.moveaxis(
            np.broadcast_to(own.scales, np.moveaxis(weight, own.axis, -1).shape), -1, own.axis
        )
        assert (np.abs(dequantised(own) - weight) < 1.0001 * step).all()


def test_the_scales_are_those_of_rounding_to_nearest():
    model = network()
    source = images()
    plain = insert_qdq(model, ranges_of(model, source), AVX2)
    for name, own in rounded(model, source=source).items():
        np.testing.assert_array_equal(own.scales, tensor(plain, f"{name}_scale"))


@pytest.mark.parametrize(("target", "gain"), [("avx2", 0.5), ("arm64", 0.1)])
def test_int8_outputs_come_closer_to_float(target, gain):
    model, source, profile = network(), images(count=256), PROFILES[target]
    ranges = ranges_of(model, source)
    weights = round_weights(model, ranges, profile, source)
    unseen = np.concatenate([*images(count=256, seed=5)()])
    reference = run_onnx(model, unseen)
    plain = run_onnx(insert_qdq(model, ranges, profile), unseen)
    own = run_onnx(insert_qdq(model, ranges, profile, weights=weights), unseen)
    assert sqnr(reference, own) > sqnr(reference, plain) + gain


def test_the_first_layer_errs_less_on_the_images():
    model, source = network(), images()
    ranges = ranges_of(model, source)
    weights = round_weights(model, ranges, AVX2, source)
    given = np.concatenate([*source()])
    low, high = min(ranges["input"][0], 0.0), max(ranges["input"][1], 0.0)
    step = np.float32((high - low) / 255)
    zero = np.rint(-low / step)
    rounded_input = (np.clip(np.rint(given / step) + zero, 0, 255) - zero) * step
    own = weights["a.weight"]
    errors = []
    for values in (dequantised(own), None):
        net = Net().conv("a", 16, 3)
        weight = tensor(model, "a.weight")
        if values is None:
            scales = own.scales.reshape(-1, 1, 1, 1)
            values = np.rint(weight / scales) * scales
        wanted = net.constants | {"a.weight": weight, "a.bias": tensor(model, "a.bias")}
        net.constants = dict(wanted)
        plain = run_onnx(net.build(), given)
        net.constants["a.weight"] = values.astype(np.float32)
        errors.append(
            ((run_onnx(net.build(), rounded_input.astype(np.float32)) - plain) ** 2).mean(
                axis=(0, 2, 3)
            )
        )
    assert (errors[0] <= errors[1] * (1 + 1e-4)).all()
    assert errors[0].mean() < 0.9 * errors[1].mean()


def test_a_seed_gives_the_same_weights_again():
    model = tiny_model(channels=3, size=16)
    source = images(size=16)
    first, again = (rounded(model, source=source, seed=3) for _ in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name].values, again[name].values)


def test_what_stays_float_is_not_rounded():
    assert "b.weight" not in rounded(network(), float_nodes=["b"])


def test_a_weight_of_two_layers_is_not_rounded():
    net = Net().conv("a", 3, 3).add("Relu").conv("b", 3, 3).conv("c", 4, 3)
    net.nodes[2].input[1] = "a.weight"
    del net.constants["b.weight"]
    assert set(rounded(net.build())) == {"c.weight"}


def test_branches_are_rounded_side_by_side():
    net = Net().conv("a", 4, 3).conv("b", 4, 4)
    net.last = "a"
    net.conv("c", 4, 4).add("Concat", "b", axis=1).add("Relu").conv("d", 4, 8, 1)
    alive: list[int] = []
    source = counted(images(), alive)
    model = net.build()
    found = round_weights(model, ranges_of(model, images()), AVX2, source)
    assert set(found) == {"a.weight", "b.weight", "c.weight", "d.weight"}
    assert len(alive) == 3 * 4


def test_memory_does_not_grow_with_the_images():
    alive: list[int] = []
    model = tiny_model(channels=3)
    source = images(count=400)
    round_weights(model, ranges_of(model, source), AVX2, counted(source, alive))
    assert max(alive) <= 2


def test_each_layer_is_a_step():
    class Task:
        notes: list[str] = []  # noqa: RUF012

        def advance(self, steps: int = 1, note: str = "") -> None:
            self.notes.extend([note] * steps)

    task = Task()
    rounded(network(), task=task, float_nodes=["c"])
    assert task.notes == ["a", "b", "c", "d", "fc"]


def test_no_images_are_refused():
    model = network()
    with pytest.raises(InputError, match="no images: expected at least one batch"):
        round_weights(model, ranges_of(model, images()), AVX2, lambda: iter(()))


def test_the_float_model_stays():
    model = network()
    before = model.SerializeToString()
    rounded(model)
    assert model.SerializeToString() == before
    assert all(numpy_helper.to_array(t).dtype == np.float32 for t in model.graph.initializer)
