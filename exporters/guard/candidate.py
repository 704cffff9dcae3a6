"""What can be varied about an int8 file, as one value that can be written down and made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ...errors import InputError
from ..calibration import METHODS

__all__ = ["DEFAULT_PERCENTILE", "FLOAT_WEIGHTS", "TOOLS", "Candidate"]

TOOLS: tuple[str, ...] = ("equalise", "bias-correction", "adaround")
"""Accuracy tools, in the order in which they are applied."""

FLOAT_WEIGHTS = ("float32", "int8")

DEFAULT_PERCENTILE = 99.99


@dataclass(frozen=True)
class Candidate:
    """One way to quantise a network."""

    calibration: str = "minmax"
    percentile: float = DEFAULT_PERCENTILE
    """Of the percentile calibration: how much of a tensor's values its range covers."""
    tools: tuple[str, ...] = ()
    float_nodes: tuple[str, ...] = ()
    """Names of the nodes that stay float, in the order of the graph."""
    float_weights: str = "float32"
    """How the weights of float layers are stored: as they are, or int8 with a scale a channel."""
    weights_only: bool = False
    """Whether all of it computes in float; ``float_nodes`` is empty then."""

    def __post_init__(self) -> None:
        if self.calibration not in METHODS:
            raise InputError(
                f"unknown calibration '{self.calibration}': expected one of {', '.join(METHODS)}"
            )
        if not 50 < self.percentile <= 100:
            raise InputError(f"percentile {self.percentile:g}: expected over 50, 100 at most")
        for tool in self.tools:
            if tool not in TOOLS:
                raise InputError(f"unknown tool '{tool}': expected one of {', '.join(TOOLS)}")
        if self.float_weights not in FLOAT_WEIGHTS:
            raise InputError(
                f"unknown float_weights '{self.float_weights}': "
                f"expected one of {', '.join(FLOAT_WEIGHTS)}"
            )
        if self.weights_only and (self.float_weights != "int8" or self.tools or self.float_nodes):
            raise InputError(
                "weights_only: expected float_weights 'int8', and neither tools nor float_nodes"
            )
        if len(set(self.float_nodes)) < len(self.float_nodes):
            raise InputError("float_nodes: expected each name once")
        object.__setattr__(self, "tools", tuple(tool for tool in TOOLS if tool in self.tools))

    def to_json(self) -> dict[str, Any]:
        """The candidate as plain JSON values."""
        return {
            **asdict(self),
            "tools": list(self.tools),
            "float_nodes": list(self.float_nodes),
        }

    @classmethod
    def from_json(cls, value: Any, source: str) -> Candidate:
        """Read what `to_json` wrote; InputError, naming ``source``, where it is something else."""
        if not isinstance(value, Mapping):
            raise InputError(f"{source}: the plan's choice is no object")
        unknown = set(value) - {field.name for field in fields(cls)}
        if unknown:
            raise InputError(f"{source}: the plan's choice has an unknown key '{min(unknown)}'")
        calibration, percentile = value.get("calibration"), value.get("percentile")
        if (
            not isinstance(calibration, str)
            or isinstance(percentile, bool)
            or not isinstance(percentile, (int, float))
            or not 0 < percentile <= 100  # safe for whole numbers that no float can hold
        ):
            raise InputError(f"{source}: the plan names no calibration and percentile")
        # Plans of before these two have neither.
        float_weights = value.get("float_weights", FLOAT_WEIGHTS[0])
        weights_only = value.get("weights_only", False)
        if not isinstance(float_weights, str) or not isinstance(weights_only, bool):
            raise InputError(f"{source}: the plan's 'float_weights' or 'weights_only' is no such")
        tools, nodes = (_names(value, key, source) for key in ("tools", "float_nodes"))
        try:
            return cls(calibration, float(percentile), tools, nodes, float_weights, weights_only)
        except InputError as error:
            raise InputError(f"{source}: the plan's choice: {error}") from error


def _names(value: Mapping[str, Any], key: str, source: str) -> tuple[str, ...]:
    names = value.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{source}: the plan's '{key}' is no list of names")
    return tuple(names)
