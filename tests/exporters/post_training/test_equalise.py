from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, numpy_helper

from nnc.exporters.calibration import observe
from nnc.exporters.post_training import equalise
from nnc.exporters.profiles import PROFILES
from nnc.exporters.qdq.insert import complete_ranges, insert_qdq, tensors_to_observe

from ..conftest import run_onnx, sqnr
from .building import Net, images, relative, tensor

ANY_INPUT = np.concatenate([*images()(), 1000 * next(images(seed=1)())])


def copied(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def equalised(model: ModelProto, *args, **kwargs):
    """The equalised copy, having checked that it computes the same; and what was done."""
    after = copied(model)
    result = equalise(after, *args, **kwargs)
    # What rounding in float32 can do to a saturated or cancelling sum is no fault.
    noise = 1 + 1e-6 * np.sign(np.random.default_rng(0).normal(size=ANY_INPUT.shape))
    disturbed = run_onnx(model, (ANY_INPUT * noise).astype(np.float32))
    reference = run_onnx(model, ANY_INPUT)
    allowed = 1e-5 + 2 * np.abs(disturbed - reference).max() / np.abs(reference).max()
    assert relative(model, after, ANY_INPUT) < allowed
    return after, result


def flat_gemm(transposed=True, bias=(None,), **attributes):
    net = Net().conv("a", 6, 3).add("Relu").add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    return net.add("Flatten").gemm("b", 5, 6 * 16, transposed, bias, **attributes)


PAIRED = {
    "relu": Net().conv("a", 6, 3).add("Relu").conv("b", 4, 6),
    "nothing between": Net().conv("a", 6, 3).conv("b", 4, 6),
    "depthwise": Net().conv("a", 6, 3).add("Relu").conv("b", 6, 1, groups=6),
    "depthwise with a multiplier": Net().conv("a", 3, 3).add("Relu").conv("b", 6, 1, groups=3),
    "grouped": Net(seed=1).conv("c", 3, 3).conv("a", 6, 1, groups=3).conv("b", 4, 3, groups=2),
    "no bias": Net().conv("a", 6, 3, bias=False).add("Relu").conv("b", 4, 6, bias=False),
    "clip without a ceiling": Net().conv("a", 6, 3).clip(0.0, None).conv("b", 4, 6),
    "leaky": Net().conv("a", 6, 3).add("LeakyRelu", alpha=0.2).conv("b", 4, 6),
    "average pool": Net()
    .conv("a", 6, 3)
    .add("Relu")
    .add("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    .conv("b", 4, 6),
    "flatten": flat_gemm(),
    "flatten, weight the other way": flat_gemm(transposed=False),
    "flatten, alpha and beta": flat_gemm(alpha=0.5, beta=2.0),
    "global pool": Net()
    .conv("a", 6, 3)
    .add("Relu")
    .add("GlobalAveragePool")
    .add("Flatten")
    .gemm("b", 5, 6),
}


def _between_gemms(first_transposed=True, bias=(None,)):
    net = Net().add("GlobalAveragePool").add("Flatten").gemm("a", 6, 3, first_transposed, bias)
    return net.add("Relu").gemm("b", 5, 6, not first_transposed)


PAIRED |= {
    "gemms": _between_gemms(),
    "gemms, weights the other way": _between_gemms(False),
    "gemm, bias of one number": _between_gemms(bias=(1,)),
    "gemm, bias of two axes": _between_gemms(bias=(1, None)),
    "gemm without bias": _between_gemms(bias=False),
}


def with_prelu():
    net = Net().conv("a", 6, 3)
    slope = net.random("slope", 6, 1, 1)
    return net.add("PRelu", slope).conv("b", 4, 6)


def with_matmul():
    net = Net().conv("a", 6, 3).add("Relu").add("Flatten")
    return net.add("MatMul", net.random("b.weight", 6 * 64, 5), name="b")


PAIRED |= {"prelu": with_prelu(), "matmul": with_matmul()}


@pytest.mark.parametrize("net", PAIRED.values(), ids=PAIRED.keys())
@pytest.mark.parametrize("source", [None, images()], ids=["weights", "images"])
def test_a_pair_is_scaled_and_outputs_stay(net, source):
    _, result = equalised(net.build(), source)
    assert ("a", "b") in [(pair.first, pair.second) for pair in result.pairs]
    assert all(pair.proven for pair in result.pairs)
    assert json.loads(json.dumps(result.to_json()))["sweeps"] == result.sweeps


def test_factors_are_those_of_the_paper():
    net = Net(channels=2).conv("a", 2, 2, 1).add("Relu").conv("b", 2, 2, 1)
    net.constants["a.weight"] = np.float32([[8, 1], [0.5, -0.25]]).reshape(2, 2, 1, 1)
    net.constants["b.weight"] = np.float32([[2, -1], [1, 8]]).reshape(2, 2, 1, 1)
    before = net.build()
    after = copied(before)
    [pair] = equalise(after).pairs
    # r1 = 8 and 0.5, r2 = 2 and 8: s = sqrt(8 / 2) and sqrt(0.5 / 8).
    assert (pair.greatest, pair.least) == pytest.approx((2, 0.25))
    np.testing.assert_allclose(tensor(after, "a.weight")[:, 0, 0, 0], [4, 2])
    np.testing.assert_allclose(tensor(after, "b.weight")[0, :, 0, 0], [4, -0.25])
    np.testing.assert_allclose(
        tensor(after, "a.bias"), tensor(before, "a.bias") / [2, 0.25], rtol=1e-6
    )


def test_a_chain_settles_with_equal_ranges():
    net = Net().conv("a", 6, 3).add("Relu").conv("b", 6, 6).add("Relu").conv("c", 4, 6)
    after, result = equalised(net.build())
    assert result.sweeps < 100
    for first, second in (("a", "b"), ("b", "c")):
        rows = np.abs(tensor(after, f"{first}.weight")).max(axis=(1, 2, 3))
        columns = np.abs(tensor(after, f"{second}.weight")).max(axis=(0, 2, 3))
        np.testing.assert_allclose(rows, columns, rtol=0.01)


def test_images_balance_the_activation():
    net = Net().conv("a", 6, 3).add("Relu").conv("b", 6, 1, groups=6)
    net.constants["a.weight"] *= np.float32([1, 3, 10, 30, 100, 0.1]).reshape(6, 1, 1, 1)
    after, _ = equalised(net.build(), images())
    after.graph.output[0].name = net.nodes[1].output[0]
    highest = run_onnx(after, np.concatenate([*images()()])).max(axis=(0, 2, 3))
    # A depthwise layer has a scale for each channel: all resolution goes to the activation.
    assert highest.max() / highest.min() < 1.1


def second_reader():
    net = Net().conv("a", 6, 3).add("Relu", name="r").conv("b", 6, 6)
    net.last = "b"
    return net.add("Add", "r")


def shared_weight():
    net = Net().conv("c", 6, 3).conv("a", 6, 6).add("Relu").conv("b", 6, 6)
    for node in net.nodes[1], net.nodes[3]:
        node.input[1] = "c2.weight"
    net.random("c2.weight", 6, 6, 3, 3)
    del net.constants["a.weight"], net.constants["b.weight"]
    return net


def shared_bias():
    net = Net().conv("a", 6, 3).add("Relu").conv("b", 6, 6)
    net.nodes[2].input[2] = "a.bias"
    del net.constants["b.bias"]
    return net


UNPAIRED = {
    "sigmoid": Net().conv("a", 6, 3).add("Sigmoid").conv("b", 4, 6),
    "floor below 0": Net().conv("a", 6, 3).clip(-1.0, None).conv("b", 4, 6),
    "floor above 0": Net().conv("a", 6, 3).clip(0.5, None).conv("b", 4, 6),
    "ceiling that may be met": Net().conv("a", 6, 3).clip().conv("b", 4, 6),
    "second reader": second_reader(),
    "shared bias": shared_bias(),
    "rows of an image": Net().conv("a", 8, 3).add("MatMul", "m", name="b"),
}
UNPAIRED["rows of an image"].random("m", 8, 4)


@pytest.mark.parametrize("net", UNPAIRED.values(), ids=UNPAIRED.keys())
def test_what_is_no_exact_pair_is_left_alone(net):
    model = net.build()
    after, result = equalised(model, images())
    assert result.pairs == ()
    assert after == model


def test_weights_of_two_layers_are_left_alone():
    after, result = equalised(shared_weight().build())
    assert result.pairs == ()
    assert after == shared_weight().build()


def test_an_output_of_the_graph_is_left_alone():
    net = Net().conv("a", 6, 3).add("Relu", name="r").conv("b", 4, 6)
    model = net.build("b", "r")
    after = copied(model)
    assert equalise(after).pairs == ()
    assert after == model


def test_weights_that_a_caller_may_replace_are_left_alone():
    from onnx import TensorProto, helper

    model = Net().conv("a", 6, 3).add("Relu").conv("b", 4, 6).build()
    shape = tensor(model, "b.weight").shape
    model.graph.input.append(helper.make_tensor_value_info("b.weight", TensorProto.FLOAT, shape))
    assert equalise(model).pairs == ()


def test_dead_channels_keep_their_factor():
    net = Net().conv("a", 6, 3).add("Relu").conv("b", 4, 6)
    net.constants["a.weight"][2] = 0
    net.constants["b.weight"][:, 4] = 0
    after, _ = equalised(net.build())
    assert np.isfinite(tensor(after, "a.weight")).all()
    np.testing.assert_array_equal(tensor(after, "a.bias")[[2, 4]], net.constants["a.bias"][[2, 4]])


def before_a_ceiling() -> Net:
    """Behind a Clip inputs are bounded: a channel of small weights cannot reach the next one."""
    net = Net().conv("c", 6, 3).clip().conv("a", 6, 1, groups=6).clip().conv("b", 4, 6)
    net.constants["a.weight"][:3] *= np.float32(0.02)
    net.constants["a.weight"][3:] *= 5
    return net


def test_a_ceiling_is_respected_where_it_can_be_met():
    net = before_a_ceiling()
    after, result = equalised(net.build())
    [pair] = [pair for pair in result.pairs if pair.second == "b"]
    assert pair.proven
    assert pair.channels == 3
    np.testing.assert_array_equal(
        tensor(after, "a.weight")[3:], net.constants["a.weight"][3:].astype(np.float32)
    )


def test_a_channel_is_not_raised_to_its_ceiling():
    net = before_a_ceiling()
    # Left alone, equalising would raise the first channels by a hundred, far beyond 6.
    net.constants["b.weight"][:, :3] *= 1e4
    equalised(net.build())


def test_images_are_trusted_only_when_told_to():
    net = Net().conv("a", 6, 3).clip().conv("b", 4, 6)
    net.constants["a.weight"] *= np.float32(0.01)
    model = net.build()
    assert equalised(model, images())[1].pairs == ()
    after = copied(model)
    [pair] = equalise(after, images(), trust_images=True).pairs
    assert not pair.proven
    assert relative(model, after, np.concatenate([*images()()])) < 1e-5


@st.composite
def networks(draw) -> ModelProto:
    """Chains of dense, grouped and depthwise convolutions with all kinds of activation."""
    net = Net(seed=draw(st.integers(0, 99)))
    channels = 3
    for index in range(draw(st.integers(2, 5))):
        kind = draw(st.sampled_from(["dense", "depthwise", "grouped"]))
        groups = {"dense": 1, "depthwise": channels, "grouped": 2 - channels % 2}[kind]
        outputs = channels if kind == "depthwise" else draw(st.sampled_from([2, 4, 6]))
        bias = draw(st.booleans())
        name = f"n{index}"
        net.conv(name, outputs, channels // groups, groups=groups, bias=bias)
        spread = np.exp(net.generator.uniform(-4, 4, (outputs, 1, 1, 1)))
        net.constants[f"{name}.weight"] *= spread.astype(np.float32)
        kind = draw(st.sampled_from(["", "Relu", "Clip", "LeakyRelu", "Abs"]))
        if kind == "Clip":
            net.clip()
        elif kind:
            net.add(kind)
        channels = outputs
    return net.build()


@settings(max_examples=40, deadline=None)
@given(networks(), st.booleans())
def test_any_chain_computes_what_it_did(model, seen):
    equalised(model, images() if seen else None)


def int8(model: ModelProto) -> ModelProto:
    observed = observe(model, tensors_to_observe(model), images()).ranges("minmax")
    return insert_qdq(model, complete_ranges(model, observed), PROFILES["avx2"])


def test_what_spoiled_weights_cost_in_int8_comes_back():
    net = Net().conv("a", 16, 3).add("Relu").conv("b", 16, 16).add("Relu").conv("c", 8, 16)
    plain = net.build()
    given = np.concatenate([*images()()])
    reference = run_onnx(plain, given)
    good = sqnr(reference, run_onnx(int8(plain), given))
    factors = np.exp(net.generator.uniform(0, np.log(1000), 16)).astype(np.float32)
    for name, shape in (("a", (16, 1, 1, 1)), ("b", (1, 16, 1, 1))):
        value = net.constants[f"{name}.weight"]
        net.constants[f"{name}.weight"] = (
            value * factors.reshape(shape) ** (1 if name == "a" else -1)
        ).astype(np.float32)
    net.constants["a.bias"] *= factors
    spoiled = net.build()
    bad = sqnr(reference, run_onnx(int8(spoiled), given))
    equalise(spoiled)
    mended = sqnr(reference, run_onnx(int8(spoiled), given))
    assert bad < good - 10
    assert mended > good - 3


def test_weights_keep_their_type_and_shape():
    model = PAIRED["flatten, weight the other way"].build()
    after, _ = equalised(model)
    for one, other in zip(model.graph.initializer, after.graph.initializer, strict=True):
        assert (one.name, one.data_type, list(one.dims)) == (
            other.name,
            other.data_type,
            list(other.dims),
        )
        assert np.isfinite(numpy_helper.to_array(other)).all()
