"""How channels pass through each ONNX operator. What is not in this table pins its channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .base import Operator
from .layers import BatchNorm, Conv, ConvTranspose, Gemm, InstanceNorm, MatMul
from .moves import Concat, Expand, Reshape, Transpose
from .pointwise import Binary, Unary, Where, leaky, times
from .pools import Pad, Pool, Reduce, Resize
from .selections import Gather, GatherND, Shape, Slice, Split

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = ["OPERATORS", "Operator", "operator_of"]

_UNARY = (
    "Abs", "Cast", "Ceil", "Celu", "Clip", "Cos", "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu",
    "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Relu",
    "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Swish",
    "Tanh", "ThresholdedRelu",
)  # fmt: skip

OPERATORS: dict[str, Operator] = {
    "BatchNormalization": BatchNorm(),
    "Conv": Conv(),
    "ConvTranspose": ConvTranspose(),
    "Gemm": Gemm(),
    "InstanceNormalization": InstanceNorm(),
    "MatMul": MatMul(),
    "Add": Binary(np.add),
    "Div": Binary(np.divide, role="follows"),
    "Max": Binary(np.maximum),
    "Mean": Binary(np.add),
    "Min": Binary(np.minimum),
    "Mul": Binary(times),
    "PRelu": Binary(leaky),
    "Pow": Binary(np.power, role="follows"),
    "Sub": Binary(np.subtract),
    "Sum": Binary(np.add),
    "Where": Where(),
    "Concat": Concat(),
    "Expand": Expand(),
    "Flatten": Reshape(),
    "Gather": Gather(),
    "GatherND": GatherND(),
    "Reshape": Reshape(),
    "Shape": Shape(),
    "Slice": Slice(),
    "Split": Split(),
    "Squeeze": Reshape(),
    "Transpose": Transpose(),
    "Unsqueeze": Reshape(),
    "AveragePool": Pool(),
    "GlobalAveragePool": Pool(),
    "GlobalMaxPool": Pool(),
    "MaxPool": Pool(),
    "Pad": Pad(),
    "ReduceMax": Reduce(),
    "ReduceMean": Reduce(),
    "ReduceMin": Reduce(),
    "ReduceSum": Reduce(),
    "Resize": Resize(),
    "Upsample": Resize(),
} | dict.fromkeys(_UNARY, Unary())


def operator_of(node: NodeProto) -> Operator | None:
    """The operator of a node of the standard domain; None for one that is not known."""
    return OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
