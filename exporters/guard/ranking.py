"""Which units cost accuracy in int8, and what they gain in time: measured one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from .units import Unit

__all__ = ["RankedUnit", "by_gain", "by_worth", "local_errors"]

_NO_TIME = 1e-3
"""Milliseconds: gains under this are taken for this, so that a cost can be divided by them."""


@dataclass(frozen=True)
class RankedUnit:
    """What it would mean for one unit to be float."""

    unit: Unit
    error: float
    """Noise over signal that int8 adds to the unit's output, as powers."""
    cost: float | None
    """Nats of divergence from the float model that go when this unit alone is float; None where
    there was no time to measure it."""
    float_ms: float
    int8_ms: float

    @property
    def gain_ms(self) -> float:
        """Milliseconds that int8 saves here; negative where float is faster."""
        return self.float_ms - self.int8_ms

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "unit": self.unit.name,
            "error": self.error,
            "cost": self.cost,
            "float_ms": self.float_ms,
            "int8_ms": self.int8_ms,
        }


def local_errors(
    prepared: ModelProto, quantised: ModelProto, units: Sequence[Unit], images: np.ndarray[Any, Any]
) -> dict[str, float]:
    """Unit -> noise power over signal power at its output, beyond what its inputs bring.

    One run of each model on float32 ``images`` with the units' outputs exposed; int8 is computed
    as float arithmetic between Q/DQ pairs, so that every tensor is there to see.
    """
    import numpy as np

    from ..passes.graph import producers

    names = [unit.output for unit in units]
    before, after = _expose(prepared, names, images), _expose(quantised, names, images)
    ratios: dict[str, float] = {}
    for unit in units:
        if unit.output in before and unit.output in after:
            exact = before[unit.output].astype(np.float64)
            noise = after[unit.output].astype(np.float64) - exact
            ratios[unit.output] = float((noise**2).sum() / max(float((exact**2).sum()), 1e-30))
    made = producers(prepared.graph)
    nodes = {node.name: node for node in prepared.graph.node}

    def upstream(tensor: str) -> float:
        seen, todo, worst = {tensor}, [tensor], 0.0
        while todo:
            name = todo.pop()
            if name in ratios:
                worst = max(worst, ratios[name])
                continue
            maker = made.get(name)
            for other in maker.input if maker is not None else ():
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return worst

    errors = {}
    for unit in units:
        inherited = max((upstream(name) for name in nodes[unit.name].input), default=0.0)
        errors[unit.name] = max(ratios.get(unit.output, 0.0) - inherited, 0.0)
    return errors


def by_worth(ranked: Sequence[RankedUnit], least: float = 0.0) -> list[RankedUnit]:
    """Most accuracy regained per millisecond lost first; what float makes faster before all.

    Units whose cost was not measured, or is no more than ``least``, follow by their own error.
    """

    def worth(entry: RankedUnit) -> float:
        cost = entry.cost if entry.cost is not None else 0.0
        return cost / max(entry.gain_ms, _NO_TIME)

    measured = [entry for entry in ranked if entry.cost is not None and entry.cost > least]
    rest = [entry for entry in ranked if entry.cost is None or entry.cost <= least]
    return [
        *sorted(measured, key=worth, reverse=True),
        *sorted(rest, key=lambda entry: entry.error, reverse=True),
    ]


def by_gain(ranked: Sequence[RankedUnit]) -> list[RankedUnit]:
    """What int8 slows down most first."""
    return sorted(ranked, key=lambda entry: entry.gain_ms)


def _expose(
    model: ModelProto, tensors: Sequence[str], images: np.ndarray[Any, Any]
) -> dict[str, np.ndarray[Any, Any]]:
    """Values of those of ``tensors`` that ``model`` has."""
    import onnxruntime as ort
    from onnx import ModelProto, TensorProto, helper

    copy = ModelProto()
    copy.CopyFrom(model)
    made = {name for node in copy.graph.node for name in node.output}
    present = [name for name in dict.fromkeys(tensors) if name in made]
    already = {value.name for value in copy.graph.output}
    copy.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in present
        if name not in already
    )
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    if not present:
        return {}
    values = session.run(present, {session.get_inputs()[0].name: images})
    return dict(zip(present, values, strict=True))
