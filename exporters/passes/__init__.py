"""Graph passes, in the order they run: each leaves the outputs of the graph as they were.

A pass is one file with a function ``apply(model) -> PassResult`` that edits the model in place.
Adding one is a file beside this and a line in `PASSES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import InputError, NncError
from .graph import PassResult

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["FOLDING", "INT8", "PASSES", "RESOLVING", "SHAPING", "PassResult", "run_passes"]

RESOLVING: tuple[str, ...] = ("constants", "computed_constants", "static_shapes", "flat_gathers")
"""Store what other exporters leave to be computed; before the others, for a model of any file."""

FOLDING: tuple[str, ...] = ("strip_metadata", "constants", "batch_norm")
"""Fold what is constant. Removal of channels comes after these and before the rest: channel
shuffles are compiled away by reordering the channels that are left."""

SHAPING: tuple[str, ...] = ("global_pool", "single_pixel", "flatten", "shuffle", "dead_code")

PASSES: tuple[str, ...] = (*FOLDING, *SHAPING)
"""For any model, of whatever exporter."""

INT8: tuple[str, ...] = (
    *("spelling", "full_pads", "norm_conv", "scale_shift", "wide_groups", "full_lanes"),
    *("folded_rows", "four_channels", "tiled_gates", "linear_gemm"),
    "dead_code",
)
"""After the others, for a model about to be quantised: slower in float, faster in int8."""


def run_passes(model: ModelProto, passes: Sequence[str] = PASSES) -> tuple[PassResult, ...]:
    """Run ``passes`` over ``model``, in place and in order; say what each one changed.

    Raises NncError, naming the pass, where one fails.
    """
    results = []
    for name in passes:
        module = importlib.import_module(f".{name}", __package__)
        try:
            results.append(module.apply(model))
        except InputError:
            raise
        except Exception as error:
            raise NncError(f"graph pass '{name}' failed: {error}") from error
    return tuple(results)
