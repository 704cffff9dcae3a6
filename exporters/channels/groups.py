"""Channel groups: which slices of which parameters live or die together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ChannelGroups", "Layer", "ParameterAxis", "Unprunable"]


@dataclass(frozen=True)
class ParameterAxis:
    """One axis of one parameter, and the group that each position along it belongs to.

    A convolution's weight has two of them: its filters (axis 0) belong to the groups of the
    channels it makes, its inputs (axis 1) to those of the channels it reads.
    """

    parameter: str
    axis: int
    role: str
    """``makes``: a slice here computes the channel (filters and their biases); ``scales``: it acts
    on one channel alone (batch-norm entries, depthwise filters); ``reads``: it consumes it;
    ``follows``: it goes with the channel but need not be zero (running variances)."""
    groups: np.ndarray[Any, Any]
    """int64 [size of the axis]: group numbers; -1 where the channel cannot be removed."""


@dataclass(frozen=True)
class Layer:
    """A convolution or fully-connected layer by its parameters' names, as the graph uses it."""

    name: str
    weight: str
    bias: str | None
    norm: str | None
    """Stem of the batch-norm that alone reads it (``X`` for ``X.weight``), if there is one."""
    depthwise: bool
    """Whether each filter acts on one channel alone."""


@dataclass(frozen=True)
class Unprunable:
    """An operator that no channel can be followed through."""

    operator: str
    node: str
    channels: int

    def __str__(self) -> str:
        return (
            f"{self.channels} channels that pass through {self.operator} ({self.node}) "
            "cannot be removed"
        )


@dataclass(frozen=True)
class ChannelGroups:
    """All groups of a graph, numbered from 0.

    Zeroing every slice of a group makes its channels zero wherever they go; removing them all then
    leaves the graph's outputs as they were.
    """

    count: int
    axes: tuple[ParameterAxis, ...]
    families: np.ndarray[Any, Any]
    """int64 [count]: groups that share a layer are of one family, numbered from 0. Layer scope
    prunes each family on its own."""
    blocks: np.ndarray[Any, Any]
    """int64 [count]: groups made by exactly the same layers are of one block, within a family.
    Where every block keeps a multiple of 8, so does every layer."""
    widths: np.ndarray[Any, Any]
    """int64 [count]: channels of a layer's output one group stands for; above 1 in grouped
    convolutions."""
    layers: tuple[Layer, ...]
    unprunable: tuple[Unprunable, ...]
