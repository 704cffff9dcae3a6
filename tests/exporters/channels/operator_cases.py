"""What stands between two convolutions, for every operator that channels are followed through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .building import SIDE, Net

DEAD = [0, 2, 5]
"""Channels of the 8 that the first convolution makes."""

F = np.float32


@dataclass(frozen=True)
class Case:
    """What stands between a convolution of 8 filters and one that reads ``reads`` channels."""

    build: Callable[[Net, str], str]
    left: int = 5
    """Filters of the first convolution that stay where its dead ones make zeros, and ..."""
    constant: int = 5
    """... where they make 0.7 everywhere."""
    reads: int = 8
    opset: int = 18
    limit: float = 1e-4
    read_once: bool = True
    """Whether the last convolution alone reads what the first one makes."""


def op(name: str, **attributes: object) -> Callable[[Net, str], str]:
    return lambda net, x: net.add(name, x, **attributes)


def with_vector(name: str, *shape: int, low: float = 0.2) -> Callable[[Net, str], str]:
    def build(net: Net, x: str) -> str:
        value = net.random.uniform(low, 2, shape or (8, 1, 1)).astype(F)
        return net.add(name, x, net.constant(value))

    return build


def flat(net: Net, x: str, *follow: Callable[[Net, str], str]) -> str:
    """[N, C] by global pooling, something, and [N, C, 1, 1] again."""
    y = net.add("Flatten", net.add("GlobalAveragePool", x))
    for build in follow:
        y = build(net, y)
    return net.add("Unsqueeze", y, net.ints(2, 3))


def attribute_or_input(net: Net, op: str, x: str, *values: int, **attributes: object) -> str:
    """Axes moved from attributes to inputs with opset 13."""
    if net.opset < 13:
        return net.add(op, x, axes=list(values), **attributes)
    return net.add(op, x, net.ints(*values), **attributes)


def squeezed(net: Net, x: str) -> str:
    y = attribute_or_input(net, "Squeeze", net.add("GlobalMaxPool", x), 2, 3)
    return attribute_or_input(net, "Unsqueeze", y, 2, -1)


def split(net: Net, x: str) -> str:
    if net.opset < 13:
        parts = net.add("Split", x, outputs=3, axis=1, split=[3, 3, 2])
    else:
        parts = net.add("Split", x, net.ints(3, 3, 2), outputs=3, axis=1)
    return net.add("Concat", parts[2], parts[0], parts[1], axis=1)


def even_split(net: Net, x: str) -> str:
    number = {"num_outputs": 2} if net.opset >= 18 else {}
    return net.add("Concat", *net.add("Split", x, outputs=2, axis=-3, **number), axis=-3)


def sliced(net: Net, x: str) -> str:
    if net.opset < 10:
        return net.add("Slice", x, starts=[1, 1], ends=[-1, 2**31 - 1], axes=[1, 2])
    return net.add("Slice", x, net.ints(1, 1), net.ints(-1, 2**63 - 1), net.ints(1, 2))


def padded_channels(net: Net, x: str) -> str:
    pads = [0, 1, 0, 0, 0, 2, 0, 0]
    if net.opset < 11:
        return net.add("Pad", x, pads=pads, value=0.5)
    return net.add("Pad", x, net.ints(*pads), net.constant(F(0.5)))


def reduced(name: str) -> Callable[[Net, str], str]:
    def build(net: Net, x: str) -> str:
        return attribute_or_input(net, name, x, 2, -1, keepdims=1)

    return build


def resized(net: Net, x: str) -> str:
    sizes = net.ints(2 * SIDE, 8, 2 * SIDE)
    return net.add("Resize", x, "", "", sizes, mode="nearest", axes=[-1, 1, 2])


def clipped(net: Net, x: str) -> str:
    if net.opset < 11:
        return net.add("Clip", x, min=0.1, max=6.0)
    return net.add("Clip", x, net.constant(F(0.1)), net.constant(F(6)))


def gated(net: Net, x: str) -> str:
    gate = net.conv(net.add("GlobalAveragePool", x), 8, 4)
    return net.add("Mul", x, net.add("Sigmoid", net.conv(net.add("Relu", gate), 4, 8)))


def chosen(net: Net, x: str) -> str:
    condition = net.constant(net.random.random((8, 1, SIDE)) > 0.5)
    return net.add("Where", condition, x, net.constant(F(0)))


def normed(net: Net, x: str) -> str:
    return net.norm(x, 8)


def instance(net: Net, x: str) -> str:
    return net.add("InstanceNormalization", x, net.weight(8), net.weight(8))


def positive(name: str) -> Callable[[Net, str], str]:
    return lambda net, x: net.add(name, net.add("Add", net.add("Abs", x), net.constant(F(0.5))))


ELEMENTWISE = (
    "Abs", "Ceil", "Celu", "Cos", "Dropout", "Elu", "Erf", "Exp", "Floor", "HardSigmoid",
    "HardSwish", "Identity", "LeakyRelu", "Neg", "Relu", "Round", "Selu", "Shrink", "Sigmoid",
    "Sign", "Sin", "Softplus", "Softsign", "Tanh", "ThresholdedRelu",
)  # fmt: skip

CASES = {
    "BatchNormalization": Case(normed),
    "Conv": Case(lambda net, x: net.conv(x, 8, 6), reads=6),
    "Conv, padded": Case(lambda net, x: net.conv(x, 8, 6, 3), reads=6, constant=8),
    "Conv, dilated and strided": Case(
        lambda net, x: net.conv(x, 8, 6, 3, dilations=[2, 2], strides=[2, 2], pads=[0] * 4),
        reads=6,
    ),
    "Conv, depthwise": Case(lambda net, x: net.conv(x, 8, 8, group=8)),
    "Conv, depthwise and padded": Case(lambda net, x: net.conv(x, 8, 8, 3, group=8), constant=8),
    "Conv, depthwise twice": Case(lambda net, x: net.conv(x, 8, 16, group=8), reads=16),
    "Conv, padded by itself": Case(
        lambda net, x: net.add("Conv", x, net.weight(6, 8, 3, 3), auto_pad="SAME_UPPER"),
        reads=6,
        constant=8,
    ),
    "ConvTranspose": Case(
        lambda net, x: net.add("ConvTranspose", x, net.weight(8, 6, 2, 2), strides=[2, 2]),
        reads=6,
        constant=8,
    ),
    "Gemm": Case(lambda net, x: flat(net, x, lambda net, y: net.gemm(y, 8, 6)), reads=6),
    "Gemm, other layout": Case(
        lambda net, x: flat(
            net,
            x,
            lambda net, y: net.add(
                "Gemm", y, net.weight(8, 6), net.weight(1, 6), alpha=0.5, beta=2.0
            ),
        ),
        reads=6,
    ),
    "Gemm, no bias": Case(
        lambda net, x: flat(net, x, lambda net, y: net.add("Gemm", y, net.weight(8, 6), alpha=3.0)),
        reads=6,
    ),
    "Gemm, bias times zero": Case(
        lambda net, x: flat(
            net, x, lambda net, y: net.add("Gemm", y, net.weight(8, 6), net.weight(6), beta=0.0)
        ),
        reads=6,
        constant=8,
    ),
    "InstanceNormalization": Case(instance),
    "MatMul": Case(
        lambda net, x: net.add(
            "Transpose",
            net.add("MatMul", net.add("Transpose", x, perm=[0, 2, 3, 1]), net.weight(8, 6)),
            perm=[0, 3, 1, 2],
        ),
        reads=6,
    ),
    "Add": Case(with_vector("Add")),
    "Add, in old models": Case(with_vector("Add", 1, 8, 1, 1), opset=7),
    "Div": Case(with_vector("Div")),
    "Max": Case(with_vector("Max", 8, 1, 1, low=-1)),
    "Mean": Case(lambda net, x: net.add("Mean", x, net.weight(1, 8, 1, 1), x)),
    "Min": Case(with_vector("Min", 8, 1, 1, low=-1)),
    "Mul": Case(with_vector("Mul")),
    "Mul, gated": Case(gated, constant=8, read_once=False),
    "PRelu": Case(with_vector("PRelu")),
    "Pow": Case(lambda net, x: net.add("Pow", x, net.constant(F(2)))),
    "Sub": Case(with_vector("Sub")),
    "Sum": Case(lambda net, x: net.add("Sum", x, x, net.weight(8, 1, 1))),
    "Where": Case(chosen, constant=8),
    "Concat": Case(lambda net, x: net.add("Concat", x, "x", x, axis=1), reads=19, read_once=False),
    "Expand": Case(
        lambda net, x: net.add("Expand", reduced("ReduceMean")(net, x), net.ints(8, SIDE, SIDE))
    ),
    "Flatten": Case(flat),
    "Gather": Case(
        lambda net, x: net.add("Gather", x, net.ints(7, 0, -2, 0, 5), axis=1),
        reads=5,
        left=2,
        constant=2,
    ),
    "Gather, of pixels": Case(lambda net, x: net.add("Gather", x, net.ints(1, -1), axis=3)),
    "Gather, a shuffle": Case(
        lambda net, x: net.add("Gather", x, net.ints(*range(7, -1, -1)), axis=1)
    ),
    "GatherND": Case(
        lambda net, x: net.add(
            "Transpose",
            net.add(
                "GatherND",
                net.add("Transpose", x, perm=[2, 3, 0, 1]),
                net.constant(np.array([[[0, 1], [3, 3]]])),
            ),
            perm=[2, 3, 0, 1],
        )
    ),
    "Reshape": Case(
        lambda net, x: net.add(
            "Reshape", net.add("Reshape", x, net.ints(0, 8, -1)), net.ints(0, 0, SIDE, SIDE)
        ),
    ),
    "Shape": Case(
        lambda net, x: net.add(
            "Reshape",
            x,
            net.add(
                "Concat",
                net.add("Gather", net.add("Shape", x), net.ints(0)),
                net.ints(8, SIDE, SIDE),
                axis=0,
            ),
        )
    ),
    "Slice": Case(sliced, reads=6, left=4, constant=4),
    "Slice, in old models": Case(sliced, reads=6, left=4, constant=4, opset=9),
    "Split": Case(split),
    "Split, in old models": Case(split, opset=11),
    "Split, evenly": Case(even_split),
    "Split, evenly in old models": Case(even_split, opset=11),
    "Squeeze": Case(squeezed),
    "Squeeze, in old models": Case(squeezed, opset=11),
    "Transpose": Case(lambda net, x: net.add("Transpose", x, perm=[0, 1, 3, 2])),
    "Unsqueeze": Case(squeezed),
    "AveragePool": Case(op("AveragePool", kernel_shape=[2, 2], strides=[2, 2])),
    "AveragePool, padded": Case(op("AveragePool", kernel_shape=[3, 3], pads=[1] * 4)),
    "AveragePool, zeros counted": Case(
        op("AveragePool", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1), constant=8
    ),
    "GlobalAveragePool": Case(op("GlobalAveragePool")),
    "GlobalMaxPool": Case(op("GlobalMaxPool")),
    "MaxPool": Case(op("MaxPool", kernel_shape=[3, 3], pads=[1] * 4)),
    "Pad": Case(lambda net, x: net.add("Pad", x, net.ints(0, 0, 1, 1, 0, 0, 1, 1)), constant=8),
    "Pad, reflecting": Case(
        lambda net, x: net.add("Pad", x, net.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect")
    ),
    "Pad, of channels": Case(padded_channels, reads=11),
    "Pad, in old models": Case(padded_channels, reads=11, opset=9),
    "Pad, some axes": Case(
        lambda net, x: net.add("Pad", x, net.ints(1, 1), net.constant(F(0.7)), net.ints(-1)),
        left=8,
    ),
    "ReduceMax": Case(reduced("ReduceMax")),
    "ReduceMean": Case(reduced("ReduceMean")),
    "ReduceMean, in old models": Case(op("ReduceMean", axes=[2, 3]), opset=11),
    "ReduceMin": Case(reduced("ReduceMin")),
    "ReduceSum": Case(reduced("ReduceSum")),
    "ReduceSum, in old models": Case(op("ReduceSum", axes=[2, 3]), opset=11),
    "Resize": Case(resized),
    "Resize, by scales": Case(
        lambda net, x: net.add("Resize", x, "", net.constant(np.array([1, 1, 2, 2], F)))
    ),
    "Upsample": Case(
        lambda net, x: net.add("Upsample", x, net.constant(np.array([1, 1, 2, 2], F))), opset=9
    ),
    "Cast": Case(lambda net, x: net.add("Cast", net.add("Cast", x, to=10), to=1), limit=3e-3),
    "Clip": Case(clipped),
    "Clip, in old models": Case(clipped, opset=10),
    "Gelu": Case(op("Gelu"), opset=20),
    "Log": Case(positive("Log")),
    "Mish": Case(op("Mish"), opset=18),
    "Reciprocal": Case(positive("Reciprocal")),
    "Sqrt": Case(positive("Sqrt")),
    "Swish": Case(op("Swish"), opset=24),
} | {name: Case(op(name)) for name in ELEMENTWISE}
