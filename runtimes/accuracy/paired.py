"""Two files on the same images: how sure a difference between them is.

Only images that one has right and the other wrong tell anything; both functions count these.
"""

from __future__ import annotations

from math import exp, lgamma, log, sqrt

__all__ = ["agresti_min", "mcnemar"]

_NEGLIGIBLE = 1e-17


def agresti_min(more: int, fewer: int, images: int, quantile: float) -> tuple[float, float]:
    """The interval of ``(more - fewer) / images``, a difference of paired shares, as fractions.

    Half an observation is added to each cell of the two-by-two table, so that no discordant image
    does not mean no doubt (Agresti and Min, "Simple improved confidence intervals for comparing
    matched proportions", Statistics in Medicine 24, 2005, section 4). ``quantile`` is that of the
    normal distribution: 1.96 for 95%. The ends may lie a little beyond -1 and 1.
    """
    total = images + 2
    first, second = more + 0.5, fewer + 0.5
    centre = (first - second) / total
    spread = quantile * sqrt(max((first + second) - (first - second) ** 2 / total, 0.0)) / total
    return centre - spread, centre + spread


def mcnemar(lost: int, won: int) -> float:
    """McNemar's exact test: the two-sided p that both ways of differing are equally likely.

    The p of `lost` heads and `won` tails of a fair coin, twice the smaller tail (McNemar, "Note on
    the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12, 1947; exact form: Agresti, "Categorical Data Analysis", 3rd edition, section
    11.1.4). Its relative error is below 1e-8 up to a million images; 0 is a p below 1e-300.
    """
    count, fewer = lost + won, min(lost, won)
    if fewer < 0:
        raise ValueError(f"{lost} lost and {won} won")
    if 2 * fewer >= count - 1:
        return 1.0  # the smaller tail is a half or more
    # The tail as multiples of its largest term, so that nothing underflows on the way.
    term = tail = 1.0
    for heads in range(fewer, 0, -1):
        term *= heads / (count - heads + 1)
        tail += term
        if term < _NEGLIGIBLE * tail:
            break
    largest = lgamma(count + 1) - lgamma(fewer + 1) - lgamma(count - fewer + 1) - count * log(2)
    return min(1.0, 2 * exp(largest) * tail)
