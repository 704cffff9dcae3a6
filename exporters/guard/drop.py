"""Points of accuracy that int8 loses, counted on the same images, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...runtimes.accuracy.paired import agresti_min

__all__ = ["MOST_OTHER_ERROR", "Drop", "paired_drop"]

_Z99 = 2.5758293035489004
"""The normal distribution's 99.5% quantile: several looks are taken, so each must be surer."""

MOST_OTHER_ERROR = 0.25
"""Of an output beside the scores: noise over signal, as amplitudes, from which it is ruined."""


@dataclass(frozen=True)
class Drop:
    """Points of accuracy lost between float and int8 on the same images, with a 99% interval.

    Where the data has no labels for the network's classes, points of answers changed: an upper
    bound of the accuracy that can have been lost.
    """

    points: float
    low: float
    high: float
    images: int
    lost: int
    """Images that float has right and int8 wrong; without labels, that changed."""
    won: int
    """Images that int8 has right and float wrong; without labels, 0."""
    labelled: bool
    float_top1: float | None = None
    """The float model's own accuracy on these images, a fraction; None without labels."""
    others: float = 0.0
    """The largest relative error of the outputs beside the scores; 0 where there are none."""

    def holds(self, limit: float) -> bool:
        """Whether at most ``limit`` points are lost, and no other output is ruined."""
        return self.points <= limit and self.others <= MOST_OTHER_ERROR

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return dict(vars(self))

    def __str__(self) -> str:
        interval = f"99% interval {self.low:+.2f} to {self.high:+.2f}, {self.images} images"
        if self.labelled:
            whole = "" if self.float_top1 is None else f" of {100 * self.float_top1:.2f}"
            text = f"{self.points:+.2f} points of top-1 lost{whole} ({interval})"
            if self.points < 0:
                # A loss below nothing is a gain; its interval turns round with it.
                low, high = -self.high, -self.low
                interval = f"99% interval {low:+.2f} to {high:+.2f}, {self.images} images"
                text = f"{-self.points:+.2f} points of top-1 gained{whole} ({interval})"
        else:
            text = f"{self.points:.2f} % of the answers changed ({interval})"
        if self.others:
            text += f", other outputs off by up to {self.others:.1%}"
        return text


def paired_drop(
    lost: int,
    won: int,
    images: int,
    *,
    labelled: bool = True,
    float_top1: float | None = None,
    others: float = 0.0,
) -> Drop:
    """Points lost, with the interval of Agresti and Min for a difference of paired proportions."""
    low, high = agresti_min(lost, won, images, _Z99)
    points = 100 * (lost - won) / images
    return Drop(
        points,
        max(min(100 * low, points), -100.0 if labelled else 0.0),
        min(max(100 * high, points), 100.0),
        images,
        lost,
        won,
        labelled,
        float_top1,
        others,
    )
