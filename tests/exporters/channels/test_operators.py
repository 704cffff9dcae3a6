"""Every operator that channels are followed through: what leaves, and that outputs stay."""

from __future__ import annotations

import pytest
from onnx import numpy_helper

from nnc.exporters.channels.operators import OPERATORS

from .building import Net, compacted
from .operator_cases import CASES, DEAD, F


def test_every_operator_has_a_case():
    assert {name.split(",")[0] for name in CASES} == set(OPERATORS)


@pytest.mark.parametrize("constant", [0.0, 0.7])
@pytest.mark.parametrize("name", CASES)
def test_dead_channels_pass_through(name: str, constant: float):
    case = CASES[name]
    net = Net(opset=case.opset)
    bias = net.random.normal(0, 0.5, 8).astype(F)
    bias[DEAD] = constant
    x = net.add(
        "Conv",
        "x",
        net.weight(8, 3, 3, 3, name="first", dead=DEAD),
        net.constant(bias),
        pads=[1] * 4,
    )
    y = net.conv(case.build(net, x), case.reads, 4, name="last")
    done = compacted(net.model(y), limit=case.limit)
    assert done.shape("first")[0] == (case.constant if constant else case.left)
    assert done.pinned == {}


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].read_once])
def test_channels_that_nobody_reads_leave(name: str):
    """The last convolution has zero weights for half of its inputs."""
    case = CASES[name]
    net = Net(opset=case.opset)
    x = net.conv("x", 3, 8, 3, name="first")
    y = net.conv(case.build(net, x), case.reads, 4, name="last")
    tensor = next(tensor for tensor in net.tensors if tensor.name == "last")
    value = numpy_helper.to_array(tensor).copy()
    value[:, : case.reads // 2] = 0
    tensor.CopyFrom(numpy_helper.from_array(value, "last"))
    done = compacted(net.model(y), limit=case.limit, settled=False)
    assert done.shape("last")[1] < case.reads
