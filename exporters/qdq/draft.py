"""A graph being written: its nodes, its constants, and names that nothing else has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .scales import Scale

if TYPE_CHECKING:
    import numpy as np
    from onnx import NodeProto

__all__ = ["Draft"]


class Draft:
    """Nodes in the order they are to run, and constants by name."""

    def __init__(self, taken: Iterable[str]) -> None:
        """``taken`` are the names of the tensors that the graph keeps from its source."""
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, np.ndarray[Any, Any]] = {}
        self._taken = set(taken)
        self._scales: dict[tuple[str, int], str] = {}

    def name(self, wanted: str) -> str:
        """``wanted``, or that with a number where it is taken."""
        candidate, count = wanted, 1
        while candidate in self._taken:
            count += 1
            candidate = f"{wanted}_{count}"
        self._taken.add(candidate)
        return candidate

    def constant(self, wanted: str, value: np.ndarray[Any, Any]) -> str:
        """Store ``value``; returns its name."""
        name = self.name(wanted)
        self.constants[name] = value
        return name

    def scale(self, scale: Scale) -> list[str]:
        """Names of a scale and its zero point, each stored once however many tensors have it."""
        import numpy as np

        kind = np.int8 if scale.signed else np.uint8
        step = np.array(scale.scale, np.float32)
        values = (
            ("scale", int(step.view(np.int32)), step),
            ("zero_point", scale.zero_point, np.array(scale.zero_point, kind)),
        )
        for stem, key, value in values:
            if (stem, key) not in self._scales:
                self._scales[stem, key] = self.constant(stem, value)
        return [self._scales[stem, key] for stem, key, _ in values]

    def add(
        self,
        kind: str,
        inputs: Sequence[str],
        output: str,
        name: str = "",
        *,
        axis: int | None = None,
    ) -> str:
        """Write a node with one output; returns that."""
        from onnx import helper

        node = helper.make_node(kind, inputs, [output], name)
        if axis is not None:
            node.attribute.append(helper.make_attribute("axis", axis))
        self.nodes.append(node)
        return output

    def copy(self, node: NodeProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Write ``node`` with other inputs and outputs."""
        from onnx import NodeProto

        copied = NodeProto()
        copied.CopyFrom(node)
        names_in, names_out = list(inputs), list(outputs)
        del copied.input[:], copied.output[:]
        copied.input.extend(names_in)
        copied.output.extend(names_out)
        self.nodes.append(copied)

    def rounded(self, stem: str, value: np.ndarray[Any, Any], scale: Scale) -> str:
        """Store ``value`` as integers; returns the output of their DequantizeLinear."""
        import numpy as np

        kind = np.int8 if scale.signed else np.uint8
        limits = np.iinfo(kind)
        integers = np.rint(value / scale.scale) + scale.zero_point
        stored = self.constant(
            f"{stem}_quantized", integers.clip(limits.min, limits.max).astype(kind)
        )
        output = self.name(f"{stem}_dequantized")
        return self.add("DequantizeLinear", [stored, *self.scale(scale)], output)
