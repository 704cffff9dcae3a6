"""Write a prepared float model with the QuantizeLinear and DequantizeLinear that TensorRT wants."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ..passes import run_passes
from ..passes.graph import attribute, initialisers
from ..profiles import TENSORRT
from ..qdq.draft import Draft
from ..qdq.scales import Range, Scale, activation_scale, quantise_weight
from ..qdq.weights import QuantisedWeight
from .rules import LAYERS, TrtPlan, make_plan

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, ModelProto, NodeProto

    from ..profiles import Profile

__all__ = ["insert_qdq"]


def insert_qdq(
    model: ModelProto,
    ranges: Mapping[str, Range],
    profile: Profile = TENSORRT,
    *,
    float_nodes: Collection[str] = (),
    weights: Mapping[str, QuantisedWeight] | None = None,
) -> ModelProto:
    """The model with int8 weights per channel and int8 activations per tensor; biases stay float.

    Takes what `nnc.exporters.qdq.insert.insert_qdq` takes. All scales are numbers that fp16 can
    hold, so that they are the same where the rest of the network becomes fp16. Every tensor keeps
    its name. ``model`` is not changed.
    """
    from onnx import ModelProto

    plan = make_plan(model, ranges, frozenset(float_nodes))
    quantised = ModelProto(ir_version=model.ir_version)
    quantised.opset_import.extend(model.opset_import)
    quantised.functions.extend(model.functions)
    quantised.metadata_props.extend(model.metadata_props)
    _Writer(model.graph, plan, ranges, profile, weights or {}).write(quantised.graph)
    run_passes(quantised, ("dead_code",))
    return quantised


class _Writer:
    def __init__(
        self,
        source: GraphProto,
        plan: TrtPlan,
        ranges: Mapping[str, Range],
        profile: Profile,
        weights: Mapping[str, QuantisedWeight],
    ) -> None:
        self._source, self._plan, self._ranges = source, plan, ranges
        self._profile, self._weights = profile, weights
        self._known = initialisers(source)
        names = {name for node in source.node for name in (*node.input, *node.output)}
        names |= {tensor.name for tensor in source.initializer}
        self._draft = Draft(names | {value.name for value in source.input})
        self._rounded: dict[str, str] = {}

    def write(self, graph: GraphProto) -> None:
        from onnx import numpy_helper

        int8 = set(self._plan.int8)
        for node in self._source.node:
            inputs = list(node.input)
            for index in sorted(self._plan.rounded.get(node.name, ())):
                inputs[index] = self._round(inputs[index])
            turned = False
            if node.op_type in LAYERS and node.name in int8:
                inputs[1], turned = self._weight(node)
            self._draft.copy(node, inputs, node.output)
            if turned:
                _set_attribute(self._draft.nodes[-1], "transB", 1)
        graph.name = self._source.name
        graph.node.extend(self._draft.nodes)
        graph.input.extend(self._source.input)
        graph.output.extend(self._source.output)
        graph.initializer.extend(self._source.initializer)
        graph.sparse_initializer.extend(self._source.sparse_initializer)
        graph.initializer.extend(
            numpy_helper.from_array(value, name) for name, value in self._draft.constants.items()
        )

    def _round(self, name: str) -> str:
        """``name`` on the integers of its range, once however many read it so."""
        if name not in self._rounded:
            exact = activation_scale(self._ranges[name], self._profile)
            step = float(_fp16_scale(exact.scale))
            scale = self._draft.scale(Scale(step, exact.zero_point, exact.signed))
            integers = self._draft.name(f"{name}_int8")
            output = self._draft.name(f"{name}_rounded")
            self._draft.add("QuantizeLinear", [name, *scale], integers, f"{name}/quantise")
            self._draft.add("DequantizeLinear", [integers, *scale], output, f"{name}/dequantise")
            self._rounded[name] = output
        return self._rounded[name]

    def _weight(self, node: NodeProto) -> tuple[str, bool]:
        """The int8 weights behind their DequantizeLinear, and whether they are stored transposed.

        A Gemm's become [outputs, inputs], with the channels on axis 0 as TensorRT has them.
        """
        import numpy as np
        from onnx import numpy_helper

        stem = node.input[1]
        gemm = node.op_type == "Gemm"
        first = node.op_type == "Conv" or (gemm and bool(attribute(node, "transB", 0)))
        axis = 0 if first else 1
        own = self._weights.get(stem)
        if own is None:
            weight = numpy_helper.to_array(self._known[stem])
            own = _rounded_weight(weight, axis, self._profile)
        values, axis = own.values, own.axis
        turned = gemm and not first
        if turned:
            values, axis = np.ascontiguousarray(values.T), 1 - axis
        constants = [
            self._draft.constant(f"{stem}_quantized", values),
            self._draft.constant(f"{stem}_scale", _fp16_scale(own.scales)),
            self._draft.constant(f"{stem}_zero_point", np.zeros(own.scales.shape, np.int8)),
        ]
        output = self._draft.name(f"{stem}_dequantized")
        name = f"{node.name}/weight"
        return self._draft.add("DequantizeLinear", constants, output, name, axis=axis), turned


def _rounded_weight(weight: np.ndarray[Any, Any], axis: int, profile: Profile) -> QuantisedWeight:
    import numpy as np

    scales = _fp16_scale(quantise_weight(weight, axis, profile.weight_limit).scales)
    shape = [1] * weight.ndim
    shape[axis] = -1
    values = np.rint(weight / scales.reshape(shape)).clip(-127, 127).astype(np.int8)
    return QuantisedWeight(values, scales, axis)


def _fp16_scale(scale: Any) -> Any:
    """The least float32 not under ``scale`` that fp16 can hold; its greatest for what is over."""
    import numpy as np

    exact = np.asarray(scale, np.float32)
    limit = np.finfo(np.float16).max
    half = np.minimum(exact, np.float32(limit)).astype(np.float16)
    above = np.nextafter(half, limit)
    short = half.astype(np.float32) < exact
    return np.where(short, above, half).astype(np.float32)


def _set_attribute(node: NodeProto, name: str, value: int) -> None:
    from onnx import helper

    kept = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])
