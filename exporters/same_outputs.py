"""Whether a rewritten graph still says what the model said, as closely as its arithmetic allows.

Random numbers drive some networks far outside of what they were trained on: rounding alone then
moves the outputs. How much is measured on the model itself, and smaller inputs are tried until it
says less than a wrong graph would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError, NncError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "HALF_RELATIVE_DIFFERENCE",
    "LARGEST_RELATIVE_DIFFERENCE",
    "Likeness",
    "compare_outputs",
    "outputs_of",
]

LARGEST_RELATIVE_DIFFERENCE = 1e-4
"""max|a - b| / max|a| between the outputs before and after; more is a wrong graph, unless the
model's own rounding moves its outputs about as much."""

HALF_RELATIVE_DIFFERENCE = 1e-2
"""The same for outputs in half precision, whose sums depend on their order that much. More is never
allowed, whatever the model's own rounding is."""

TIMES_OWN_ROUNDING = 4
"""How much more than the model's own rounding another order of its sums may move the outputs."""

SCALES = (1.0, 0.3, 0.1, 0.03)
"""What the random inputs are multiplied by, one after the other, until one can decide."""


@dataclass(frozen=True)
class Likeness:
    """How far the outputs are from one another, over those that are floating-point numbers."""

    max_abs_difference: float | None
    """None, as the next, where there is none to compare."""
    max_relative_difference: float | None
    allowed: float
    """The largest relative difference that was allowed."""
    input_scale: float
    """What the random inputs were multiplied by."""


def compare_outputs(
    model: Path, images: Mapping[str, Array], expected: Sequence[Any], changed: bytes
) -> Likeness:
    """Compare the model in the file ``model``, which makes ``expected`` of ``images``, with
    ``changed``, that was made of it.

    Raises NncError where outputs differ by more than `LARGEST_RELATIVE_DIFFERENCE` and by more than
    four times what the model's own rounding does on the same input, or where that is more than
    `HALF_RELATIVE_DIFFERENCE` on every input tried; InputError where no input gives finite ones.
    """
    undecided: list[Likeness] = []
    for scale in SCALES:
        feeds = {name: (values * scale).astype(values.dtype) for name, values in images.items()}
        before = expected if scale == 1 else outputs_of(str(model), feeds, model)
        if not _finite(before):
            continue
        after = outputs_of(changed, feeds, model)
        differences = _differences(before, after)
        limits = [_limit(output) for output in before]
        pairs = list(zip(differences, limits, strict=True))
        if all(relative <= limit for (_, relative), limit in pairs):
            return _likeness(before, differences, limits, scale)
        own = _own_rounding(model, feeds, before)
        allowed = [
            max(limit, TIMES_OWN_ROUNDING * rounding)
            for limit, rounding in zip(limits, own, strict=True)
        ]
        for (_, relative), most, rounding in zip(differences, allowed, own, strict=True):
            # Written so that NaN fails as well.
            if not relative <= most:
                raise NncError(
                    f"the compact graph's outputs differ by {relative:.2g} relative; at most "
                    f"{most:.2g} is expected, where the model's own rounding moves them by "
                    f"{rounding:.2g} (random input of standard deviation {scale:g}), so nothing "
                    "was written"
                )
        undecided.append(_likeness(before, differences, allowed, scale))
    if not undecided:
        raise InputError("the model's outputs are NaN or infinite on random images")
    best = min(undecided, key=lambda one: one.allowed)
    if best.allowed > HALF_RELATIVE_DIFFERENCE:
        raise NncError(
            f"the compact graph's outputs differ by {best.max_relative_difference:.2g} relative, "
            f"but the model's own rounding moves them as much on random input of any standard "
            f"deviation from {SCALES[0]:g} to {SCALES[-1]:g}: whether the graph is right cannot be "
            "told, so nothing was written"
        )
    return best


def outputs_of(
    model: str | bytes, images: Mapping[str, Array], path: Path, *, optimise: bool = True
) -> list[Any]:
    """What a model, in a file or in memory, makes of the images; ``path`` names it in errors."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    # One run does not repay a second, rearranged copy of the weights.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.disable_prepacking", "1")
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        outputs: list[Any] = session.run(None, dict(images))
    # ONNX Runtime's own exceptions have no base but Exception.
    except Exception as error:
        lines = str(error).strip().splitlines() or [repr(error)]
        raise InputError(f"ONNX Runtime cannot run {path}: {lines[0]}") from error
    return outputs


def _own_rounding(model: Path, feeds: Mapping[str, Array], before: Sequence[Any]) -> list[float]:
    """How far each output moves, relatively, when the same graph is computed in another order or
    its inputs are changed by their last bit."""
    import numpy as np

    random = np.random.default_rng(0)
    nearby = {}
    for name, values in feeds.items():
        signs = random.choice(np.array([-1, 1], values.dtype), values.shape)
        nearby[name] = values * (1 + signs * np.finfo(values.dtype).eps)
    plain = outputs_of(str(model), feeds, model, optimise=False)
    moved = outputs_of(str(model), nearby, model)
    pairs = zip(_differences(before, plain), _differences(before, moved), strict=True)
    return [max(one[1], other[1]) for one, other in pairs]


def _compared(output: Any) -> bool:
    """Sequences, as classifiers of other tools give them, are not compared, and whole numbers may
    change hands where two logits nearly tie."""
    import numpy as np

    return isinstance(output, np.ndarray) and output.size > 0 and output.dtype.kind == "f"


def _finite(outputs: Sequence[Any]) -> bool:
    import numpy as np

    return all(np.isfinite(output).all() for output in outputs if _compared(output))


def _limit(output: Any) -> float:
    half = _compared(output) and output.itemsize == 2
    return HALF_RELATIVE_DIFFERENCE if half else LARGEST_RELATIVE_DIFFERENCE


def _differences(before: Sequence[Any], after: Sequence[Any]) -> list[tuple[float, float]]:
    """Largest absolute and relative difference of each output; zeros where it is not compared."""
    import numpy as np

    found = []
    for one, other in zip(before, after, strict=True):
        if isinstance(one, np.ndarray) and one.shape != other.shape:
            raise NncError("the compact graph's outputs have other shapes; nothing was written")
        if not _compared(one):
            if isinstance(one, np.ndarray) and one.dtype.kind in "OSU" and (one != other).any():
                raise NncError("the compact graph puts out other texts; nothing was written")
            found.append((0.0, 0.0))
            continue
        own = float(np.abs(one.astype(np.float64) - other).max())
        found.append((own, own / (float(np.abs(one).max()) or 1.0)))
    return found


def _likeness(
    before: Sequence[Any],
    differences: Sequence[tuple[float, float]],
    allowed: Sequence[float],
    scale: float,
) -> Likeness:
    compared = [index for index, output in enumerate(before) if _compared(output)]
    if not compared:
        return Likeness(None, None, LARGEST_RELATIVE_DIFFERENCE, scale)
    return Likeness(
        max(differences[index][0] for index in compared),
        max(differences[index][1] for index in compared),
        max(allowed[index] for index in compared),
        scale,
    )
