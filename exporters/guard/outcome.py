"""What is said of a choice, or against it, before its file is written."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...errors import BudgetError
from .trial import described

if TYPE_CHECKING:
    from .trial import Trial

__all__ = ["refuse_idle", "warn_unsure"]

log = logging.getLogger(__name__)


def warn_unsure(trial: Trial, max_drop: float | None) -> None:
    """Say where the images are too few for the limit that is said to be held."""
    drop = trial.drop
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
