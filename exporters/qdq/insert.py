"""Write a prepared float model as int8: QuantizeLinear and DequantizeLinear around each layer.

Operators that only move values about (Concat of one scale, Split, Reshape, pooling by maximum) work
on the integers themselves, so that nothing is left for a runtime to find out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from ..passes import run_passes
from .plan import COMPUTED, FOLDED, MOVING, make_plan
from .ranges import complete_ranges, tensors_to_observe
from .scales import Range
from .writer import Writer

if TYPE_CHECKING:
    from onnx import ModelProto

    from ..profiles import Profile
    from .weights import QuantisedWeight

__all__ = ["QUANTISED_OPS", "complete_ranges", "insert_qdq", "tensors_to_observe"]

QUANTISED_OPS: tuple[str, ...] = (*COMPUTED, *FOLDED, *MOVING, "Concat")
"""Operators with an int8 form in ONNX Runtime's CPU provider; all others stay float."""


def insert_qdq(
    model: ModelProto,
    ranges: Mapping[str, Range],
    profile: Profile,
    *,
    float_nodes: Collection[str] = (),
    weights: Mapping[str, QuantisedWeight] | None = None,
) -> ModelProto:
    """The quantised model: int8 weights per channel, int32 biases, integers in between.

    ``ranges`` are those of `complete_ranges`; a tensor without one stays float. ``float_nodes``
    names nodes that stay float, between int8 ones too; one that only moves values about, or bounds
    them, gains nothing by it. ``weights`` maps initialisers to int8 values that are taken as they
    are; all others are rounded to nearest. ``model`` is not changed.
    """
    from onnx import ModelProto

    plan = make_plan(model, ranges, profile, frozenset(float_nodes))
    writer = Writer(model.graph, plan, ranges, profile, weights or {})
    quantised = ModelProto(ir_version=model.ir_version)
    quantised.opset_import.extend(model.opset_import)
    quantised.functions.extend(model.functions)
    quantised.metadata_props.extend(model.metadata_props)
    writer.write(quantised.graph)
    run_passes(quantised, ("dead_code",))
    return quantised
