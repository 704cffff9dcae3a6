"""What is looked at of an int8 model that was made: that it runs, and what of it is int8."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError, NncError
from ...runtimes.reasons import short_reason
from ..executed.graph import executed_graph
from ..guard.candidate import FLOAT_WEIGHTS
from ..guard.sessions import run_once

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from ..executed.explain import Explanation
    from ..executed.graph import Executed
    from ..guard.builder import Builder
    from ..guard.candidate import Candidate

__all__ = ["NothingInInt8Error", "check_made", "explained", "runs_as_float"]


class NothingInInt8Error(InputError):
    """No layer of the model has an int8 form that ONNX Runtime computes."""


def runs_as_float(builder: Builder, candidate: Candidate, source: Path) -> bool:
    """Whether ONNX Runtime executes the same nodes as of the float model: as fast, then."""
    return _executed(builder.build(candidate), source).operators == (
        _executed(builder.prepared, source).operators
    )


def check_made(
    prepared: ModelProto, quantised: ModelProto, source: Path, sample: np.ndarray[Any, Any]
) -> None:
    """Run the result once as a user would; what ONNX Runtime refuses must not reach the disk."""
    import onnx

    try:
        run_once(quantised, sample)
        onnx.checker.check_model(quantised)
    except onnx.checker.ValidationError as error:
        with suppress(onnx.checker.ValidationError):
            onnx.checker.check_model(prepared)
            raise NncError(f"{source}: the int8 model is not valid ({error})") from error
    except Exception as error:
        raise NncError(f"{source}: the int8 model cannot be run ({short_reason(error)})") from error


def explained(
    builder: Builder, quantised: ModelProto, source: Path, candidate: Candidate, *, native: bool
) -> Explanation:
    """Of the nodes that compute: weights that are stored as int8 are made by nodes that do not."""
    from ..executed.explain import explain

    executed = _executed(quantised, source)
    floats = candidate.float_nodes
    if candidate.weights_only:
        shown = builder.prepared
        floats = tuple(node.name for node in shown.graph.node)
    else:
        shown = builder.build(replace(candidate, float_weights=FLOAT_WEIGHTS[0]))
    return explain(shown, executed, float_nodes=floats, native=native)


def _executed(model: ModelProto, source: Path) -> Executed:
    try:
        return executed_graph(model)
    except OSError as error:
        raise NncError(
            f"{source}: no room for a temporary copy of the model ({error.strerror}); "
            "free some disk, or set TMPDIR"
        ) from error
