"""Writes the graph of an int8 model node by node, by its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..passes.graph import attribute, initialisers, subgraphs, tensor_names
from .draft import Draft
from .floats import HELD, held, input_channels
from .layers import layer_constants
from .plan import LAYERS, Plan
from .scales import (
    Range,
    Scale,
    activation_scale,
    clip_bounds,
    integer_bounds,
    integer_limits,
)

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, NodeProto

    from ..profiles import Profile
    from .weights import QuantisedWeight

__all__ = ["Writer"]


class Writer:
    """Writes one graph.

    A tensor ``t`` that is made as integers is called ``t_int8``; whoever wants floats reads ``t``,
    which a DequantizeLinear makes of it.
    """

    def __init__(
        self,
        source: GraphProto,
        plan: Plan,
        ranges: Mapping[str, Range],
        profile: Profile,
        weights: Mapping[str, QuantisedWeight],
    ) -> None:
        self._source, self._plan, self._ranges = source, plan, ranges
        self._profile, self._weights = profile, weights
        self._known = initialisers(source)
        self._draft = Draft(tensor_names(source))
        self._held = held(source, plan)
        self._integers: dict[str, tuple[str, Scale]] = {}
        self._floats: dict[str, str] = {}
        self._restored: set[str] = set()
        self._ends = self._find_ends()
        self._readers: dict[str, list[NodeProto]] = {}
        for node in source.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def write(self, graph: GraphProto) -> None:
        """Fill the empty ``graph``; the source is not changed."""
        from onnx import numpy_helper

        for node in self._source.node:
            if node.name in self._plan.vanished:
                continue
            if node.name in self._plan.moved:
                self._move(node)
            elif node.name in self._plan.computed:
                self._compute(node)
            else:
                self._keep(node)
        for value in self._source.output:
            self._restore(value.name)
        graph.name = self._source.name
        graph.node.extend(self._draft.nodes)
        graph.input.extend(self._source.input)
        graph.output.extend(self._source.output)
        read = {n for nested in subgraphs(graph) for node in nested.node for n in node.input}
        read |= {value.name for value in graph.output}
        graph.initializer.extend(t for t in self._source.initializer if t.name in read)
        graph.sparse_initializer.extend(self._source.sparse_initializer)
        graph.initializer.extend(
            numpy_helper.from_array(value, name) for name, value in self._draft.constants.items()
        )

    def _find_ends(self) -> dict[str, str]:
        """Tensor -> what it is called after the activations that vanish into its saturation."""
        ends: dict[str, str] = {}
        for node in reversed(self._source.node):
            if node.name in self._plan.vanished:
                ends[node.input[0]] = ends.get(node.output[0], node.output[0])
        return ends

    def _keep(self, node: NodeProto) -> None:
        """A float node, with floats made for it of whatever is integers."""
        names = list(node.input)
        for item in node.attribute:
            for graph in (*([item.g] if item.HasField("g") else ()), *item.graphs):
                names += [n for nested in subgraphs(graph) for x in nested.node for n in x.input]
                names += [value.name for nested in subgraphs(graph) for value in nested.output]
        for name in names:
            self._restore(name)
        if node.op_type in ("Conv", "ConvTranspose", "Gemm") and self._between_integers(node):
            self._draft.copy(node, [self._spread(node), *node.input[1:]], node.output)
            return
        self._draft.copy(node, node.input, node.output)

    def _between_integers(self, node: NodeProto) -> bool:
        """Whether ONNX Runtime would find a float layer where integers come and go."""
        if node.input[0] not in self._plan.integers and node.input[0] not in self._integers:
            return False
        return node.input[1] in self._known and len(self._known[node.input[1]].dims) > 1

    def _spread(self, node: NodeProto) -> str:
        """The layer's input in floats, by the same scale written once for each channel.

        Between a DequantizeLinear with one scale and a QuantizeLinear, ONNX Runtime rounds float
        weights to int8 by itself (its WeightBiasQuantization), with one scale for all channels.
        """
        import numpy as np

        integers, scale = self._as_integers(node.input[0])
        channels = input_channels(node, self._known[node.input[1]])
        name = self._draft.name(f"{node.input[0]}_spread")
        kind = np.int8 if scale.signed else np.uint8
        scales = self._draft.constant(f"{name}_scale", np.full(channels, scale.scale, np.float32))
        zeros = self._draft.constant(
            f"{name}_zero_point", np.full(channels, scale.zero_point, kind)
        )
        axis = 0 if attribute(node, "transA", 0) else 1
        self._draft.add("DequantizeLinear", [integers, scales, zeros], name, axis=axis)
        return name

    def _move(self, node: NodeProto) -> None:
        """A node on integers: they come out with the scale that they went in with."""
        if node.op_type == "Concat":
            self._concatenate(node)
            return
        integers, scale = self._as_integers(node.input[0])
        inputs = [integers, *node.input[1:]]
        outputs = [self._draft.name(f"{name}_int8") for name in node.output]
        if node.op_type == "Pad" and attribute(node, "mode", b"constant") == b"constant":
            inputs = [*(*inputs, "", "")[:2], self._draft.scale(scale)[1], *inputs[3:]]
        if node.op_type in ("Clip", "Relu"):
            self._bound(node, inputs[0], outputs[0], scale)
        else:
            self._draft.copy(node, inputs, outputs)
        for name, made in zip(node.output, outputs, strict=True):
            self._integers[name] = (made, scale)

    def _bound(self, node: NodeProto, integers: str, output: str, scale: Scale) -> None:
        """Relu or Clip, as bounds on the integers."""
        import numpy as np

        kind = np.int8 if scale.signed else np.uint8
        inputs = [integers]
        bounds = integer_bounds(clip_bounds(node, self._known), scale)
        for bound, limit in zip(bounds, integer_limits(scale), strict=True):
            named = bound != limit
            stored = np.array(bound, kind)
            inputs.append(self._draft.constant(f"{output}_bound", stored) if named else "")
        while not inputs[-1]:
            inputs.pop()
        self._draft.add("Clip", inputs, output, name=node.name)

    def _concatenate(self, node: NodeProto) -> None:
        parts = [self._as_integers(name) for name in node.input]
        target = activation_scale(self._ranges[node.output[0]], self._profile)
        if all(scale == target for _, scale in parts):
            output = self._draft.name(f"{node.output[0]}_int8")
            self._draft.copy(node, [name for name, _ in parts], [output])
            self._integers[node.output[0]] = (output, target)
            return
        self._round(node, [self._dequantised(name) for name in node.input], target)

    def _compute(self, node: NodeProto) -> None:
        """A node between DequantizeLinear and QuantizeLinear."""
        if node.op_type == "HardSigmoid":
            self._hard_sigmoid(node)
            return
        if node.op_type in LAYERS:
            inputs = self._layer_inputs(node)
        else:
            inputs = [
                self._constant_operand(name) if name in self._known else self._dequantised(name)
                for name in node.input
            ]
        end = self._ends.get(node.output[0], node.output[0])
        if end not in self._plan.integers:
            self._draft.copy(node, inputs, node.output)
            return
        self._round(node, inputs, activation_scale(self._ranges[end], self._profile))

    def _round(self, node: NodeProto, inputs: Sequence[str], scale: Scale) -> None:
        """Write ``node`` and the QuantizeLinear behind it."""
        end = self._ends.get(node.output[0], node.output[0])
        between = self._draft.name(f"{end}_float")
        output = self._draft.name(f"{end}_int8")
        self._draft.copy(node, inputs, [between])
        self._draft.add("QuantizeLinear", [between, *self._draft.scale(scale)], output)
        self._integers[end] = (output, scale)

    def _hard_sigmoid(self, node: NodeProto) -> None:
        """clip(alpha x + beta, 0, 1), as the saturation of the integers of x + beta/alpha.

        These reach from 0 to 1/alpha; read with alpha times their scale, from 0 to 1.
        """
        import numpy as np

        alpha = float(attribute(node, "alpha", 0.2))
        shift = float(attribute(node, "beta", 0.5)) / alpha
        wide = activation_scale((0.0, 1.0 / alpha), self._profile)
        read = activation_scale((0.0, 1.0), self._profile)
        moved = np.array(shift, np.float32)
        inputs = [self._dequantised(node.input[0]), self._rounded_constant(node.name, moved)]
        between = self._draft.name(f"{node.output[0]}_float")
        output = self._draft.name(f"{node.output[0]}_int8")
        self._draft.add("Add", inputs, between, name=node.name)
        self._draft.add("QuantizeLinear", [between, *self._draft.scale(wide)], output)
        self._integers[node.output[0]] = (output, read)

    def _layer_inputs(self, node: NodeProto) -> list[str]:
        """Input, weights and bias of a Conv, Gemm or MatMul."""
        _, scale = self._as_integers(node.input[0])
        own = self._weights.get(node.input[1])
        constants = layer_constants(self._draft, node, self._known, scale, self._profile, own)
        return [self._dequantised(node.input[0]), *constants]

    def _constant_operand(self, name: str) -> str:
        from onnx import numpy_helper

        return self._rounded_constant(name, numpy_helper.to_array(self._known[name]))

    def _rounded_constant(self, stem: str, value: np.ndarray[Any, Any]) -> str:
        """A constant operand of Add or Mul, on 8 bits over its own range."""
        span = (float(value.min(initial=0.0)), float(value.max(initial=0.0)))
        return self._draft.rounded(stem, value, activation_scale(span, self._profile))

    def _as_integers(self, name: str) -> tuple[str, Scale]:
        """A tensor's integers; those of a float tensor are made here."""
        if name not in self._integers:
            scale = activation_scale(self._ranges[name], self._profile)
            output = self._draft.name(f"{name}_int8")
            source = name
            if name in self._held:
                # A sum of one number is that number, and no part of any int8 kernel.
                source = self._draft.name(f"{name}{HELD}")
                self._draft.add("Sum", [name], source, name=source)
            self._draft.add("QuantizeLinear", [source, *self._draft.scale(scale)], output)
            self._integers[name] = (output, scale)
        return self._integers[name]

    def _dequantised(self, name: str) -> str:
        """What an int8 kernel reads: the integers of ``name`` behind a DequantizeLinear."""
        if name in self._plan.integers:
            return self._restore(name)
        if name not in self._floats:
            integers, scale = self._as_integers(name)
            self._floats[name] = self._draft.name(f"{name}_rounded")
            self._draft.add(
                "DequantizeLinear", [integers, *self._draft.scale(scale)], self._floats[name]
            )
        return self._floats[name]

    def _restore(self, name: str) -> str:
        """Make ``name`` a float tensor, if it is not."""
        if name in self._integers and name in self._plan.integers and name not in self._restored:
            integers, scale = self._integers[name]
            self._restored.add(name)
            self._draft.add("DequantizeLinear", [integers, *self._draft.scale(scale)], name)
        return name
