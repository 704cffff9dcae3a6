"""Whether a plan is of this model, and how far it is replayed under other conditions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...errors import InputError

if TYPE_CHECKING:
    from .plan import Plan

__all__ = ["check_model", "compare_images"]

log = logging.getLogger(__name__)


def check_model(plan: Plan, source: str, sha256: str) -> None:
    """Raise InputError unless the plan was made for ``source``, the file with that digest."""
    if plan.model_sha256 != sha256:
        raise InputError(
            f"the plan was made for another file than {source} (sha256 {plan.model_sha256[:12]}…, "
            f"found {sha256[:12]}…); quantise without --plan"
        )


def compare_images(
    plan: Plan, sha256: str, normalisation: tuple[tuple[float, ...], tuple[float, ...]]
) -> None:
    """Warn where the choice was found with other images or another normalisation.

    What is not known of either side (an empty digest, no numbers) is not compared.
    """
    if plan.images_sha256 and sha256 and plan.images_sha256 != sha256:
        log.warning("the plan's choice was found with other calibration images than these")
    if all(plan.normalisation) and all(normalisation) and plan.normalisation != normalisation:
        log.warning(
            "the plan's choice was found with mean %s and std %s; these images take %s and %s",
            *(list(values) for values in (*plan.normalisation, *normalisation)),
        )
