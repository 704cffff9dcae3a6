"""What an operator must say of the channels that pass through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto

    from ..context import Walk
    from ..cut import Cut
    from ..values import Values

__all__ = ["Operator"]


class Operator:
    """One kind of node. A new one is a class in this folder and a line in its table."""

    def data(self, node: NodeProto) -> list[str]:
        """The inputs whose channels are followed; in all others there may be none."""
        return [node.input[0]]

    def link(self, node: NodeProto, walk: Walk) -> None:
        """Label the outputs from the inputs, unite labels that depend on each other, and enter
        the parameters. Raises NotFollowedError, having changed nothing, where it cannot."""
        raise NotImplementedError

    def evaluate(self, node: NodeProto, values: Values) -> None:
        """Note channels of the outputs that have one constant value; silence means unknown."""

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        """Adapt attributes and constant inputs to the channels that stay; parameters whose axes
        were entered are cut for all nodes alike."""
