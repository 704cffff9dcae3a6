"""What ``nnc bench --self-check`` found, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .plain_text import digits, one_line

__all__ = ["self_check_lines", "self_check_verdict"]


def self_check_lines(check: Mapping[str, Any]) -> Iterator[str]:
    """One line a run, and the count."""
    settings = check["settings"]
    yield (
        f"{one_line(check['name'])} against itself, {settings['rounds']} rounds in "
        f"{settings['launches']} launches, {settings['seconds']:g} s each"
    )
    for number, run in enumerate(check["runs"], 1):
        yield (
            f"{number:>4}  {run['ratio']:.3f}x  {digits(run['low'])}-{digits(run['high'])}  "
            f"{run['verdict']}"
        )
    noise = check["noise"]
    if noise["verdict"] == "noisy":
        yield f"this machine was noisy: {one_line('; '.join(noise['reasons']))}"
    smallest = check["smallest_difference"]
    shown = "nothing" if smallest is None else f"a difference of {smallest:.1%} or more"
    yield (
        f"too noisy for a verdict: {check['too_noisy']} of {len(check['runs'])}; half of the runs "
        f"could show {shown}"
    )
    yield self_check_verdict(check)


def self_check_verdict(check: Mapping[str, Any]) -> str:
    """The count, in one line."""
    runs = len(check["runs"])
    told = check["verdict"]
    if told == "not shown":
        told = "not shown, because 20 % would look alike; more --runs narrow it"
    return (
        f"called different from itself in {check['different']} of {runs} "
        f"run{'s' if runs != 1 else ''}: {check['share']:.1%} "
        f"(95 % interval {check['low']:.1%} to {check['high']:.1%}), "
        f"{check['allowed']:.0%} allowed: {told}"
    )
