"""Measured values in words: digits that mean something, intervals, names."""

from __future__ import annotations

from .estimates import Estimate

__all__ = ["amount", "digits", "points", "probability", "spread"]


def digits(value: float) -> str:
    """``value`` in about three digits that mean something, never in powers of ten."""
    size = abs(value)
    for limit, decimals in ((100, 0), (10, 1), (0.1, 2), (0.01, 3)):
        if size >= limit:
            return _signed(value, decimals)
    return _signed(value, 4) if size >= 0.001 else ("0" if not size else _signed(value, 6))


def points(value: float) -> str:
    """Points of accuracy, in hundredths."""
    return _signed(value, 2)


def probability(p: float) -> str:
    """``p = 0.012``, or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def amount(value: float, unit: str) -> str:
    """A value with its unit: ``1.35 points``, ``5.21 ms``, ``2.31 MB``, ``3.1x``."""
    if unit == "points":
        return f"{points(value)} point{'' if points(value) == '1.00' else 's'}"
    return digits(value) + ("x" if unit == "x" else f" {unit}")


def spread(estimate: Estimate, unit: str) -> str:
    """``95 % interval 0.61 to 2.09``, or ``exact``."""
    if estimate.low == estimate.high:
        return "exact"
    show = points if unit == "points" else digits
    return f"95 % interval {show(estimate.low)} to {show(estimate.high)}"


def _signed(value: float, decimals: int) -> str:
    """Rounded, with no minus before a zero."""
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if not text.strip("-0.") else text
