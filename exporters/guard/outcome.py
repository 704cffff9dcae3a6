"""What is said of a choice, or against it, before its file is written."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...errors import BudgetError
from .trial import described

if TYPE_CHECKING:
    from .trial import Trial
    from .tries import Tries

__all__ = ["nothing_holds", "refuse_idle", "warn_unsure"]

log = logging.getLogger(__name__)


def warn_unsure(trial: Trial, max_drop: float | None) -> None:
    """Say where the images are too few for the limit that is said to be held."""
    drop = trial.loss
    if drop is not None and max_drop is not None and drop.high > max_drop:
        log.warning(
            "%d held-back images cannot show that at most %g points are lost; it may be %.1f",
            drop.images,
            max_drop,
            drop.high,
        )


def refuse_idle(trial: Trial, int8_bytes: int, source_bytes: int, source: str) -> None:
    """Raise BudgetError where so much is left in float that int8 saves neither time nor bytes."""
    if trial.pace is None or trial.pace.low > 1 or int8_bytes < source_bytes:
        return
    raise BudgetError(
        f"{source}: int8 gains nothing: the best ({described(trial.candidate)}) has "
        f"{trial.figures()}, and {int8_bytes / source_bytes:.0%} of its bytes; ship the float "
        "file, or pass --no-never-slower"
    )


def nothing_holds(tries: Tries) -> BudgetError:
    """What to raise where no trial holds the limits: the best figures, and what may help."""
    best, limits = _best_failing(tries), tries.limits
    asked = []
    if limits.max_drop is not None:
        asked.append(f"at most {limits.max_drop:g} points lost")
    if limits.never_slower:
        asked.append("not slower than float")
    allow = [
        option
        for option, holds in (
            ("--max-drop", tries.holds(best.loss)),
            ("--no-never-slower", best.pace is None or not best.pace.slower),
        )
        if not holds
    ]
    ways = [f"allow more ({', '.join(allow)})"]
    if not best.candidate.weights_only:
        if tries.ran_out or not limits.search_seconds:
            ways.insert(0, "give the search longer (--search-seconds)")
        if best.pace is not None and best.pace.slower and tries.small:
            ways.append("store the weights alone in int8 (--weights-only)")
    return BudgetError(
        f"no int8 file holds {' and '.join(asked)}; the best ({described(best.candidate)}): "
        f"{best.figures()}; {', or '.join(ways)}"
    )


def _best_failing(tries: Tries) -> Trial:
    """Of what failed on images of its own, what lost least there; else the fastest of those that
    are accurate enough, else what lost least."""
    elsewhere = [trial for trial in tries.trials if trial.confirmed]
    accurate = [trial for trial in tries.trials if trial.pace and tries.holds(trial.drop)]
    if accurate and not elsewhere:
        return max(accurate, key=lambda trial: trial.pace.ratio if trial.pace else 0.0)
    judged = elsewhere or [trial for trial in tries.trials if trial.drop]
    return min(judged, key=lambda trial: trial.loss.points if trial.loss else 0.0)
