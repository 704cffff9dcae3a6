"""``--max-drop``, ``--max-latency-ms``, ``--max-size-mb``, ``--min-speedup`` and ``--lenient``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ...errors import InputError

__all__ = ["budget_options"]

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = (
    click.option(
        "--max-drop",
        type=click.FloatRange(0, 100),
        metavar="POINTS",
        help="Budget: points of accuracy that may be lost.",
    ),
    click.option(
        "--max-latency-ms",
        type=click.FloatRange(0, min_open=True),
        metavar="MS",
        help="Budget: milliseconds of the median inference.",
    ),
    click.option(
        "--max-size-mb",
        type=click.FloatRange(0, min_open=True),
        metavar="MB",
        help="Budget: size on disk in MB (10^6 bytes).",
    ),
    click.option(
        "--min-speedup",
        type=click.FloatRange(0, min_open=True),
        metavar="X",
        help="Budget: times as fast as the baseline.",
    ),
    click.option(
        "--lenient",
        is_flag=True,
        help="Let a budget pass that its interval straddles; else exit code 3.",
    ),
)


def budget_options(function: F) -> F:
    """The budget options; the command receives them as its ``budgets``, a `Budgets`."""

    @functools.wraps(function)
    def wrapper(
        *args: Any,
        max_drop: float | None,
        max_latency_ms: float | None,
        max_size_mb: float | None,
        min_speedup: float | None,
        lenient: bool,
        **kwargs: Any,
    ) -> Any:
        from ...runtimes.verdicts.budgets import Budgets

        budgets = Budgets(max_drop, max_latency_ms, max_size_mb, min_speedup, lenient)
        if lenient and not budgets.limits:
            raise InputError(
                "--lenient is for budgets, and there is none; name one, such as --max-drop"
            )
        return function(*args, budgets=budgets, **kwargs)

    decorated: Any = wrapper
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
