"""One budget, judged: held, missed, or not shown either way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from ...errors import BudgetError
from .estimates import Estimate
from .wording import amount, spread

__all__ = ["BUDGETS", "HELD", "MISSED", "NOT_SHOWN", "Budget", "enforce", "judged", "unmeasured"]

MOST_NAMED = 3
"""So many of the budgets that fail are told in full; the rest is counted."""

HELD, MISSED, NOT_SHOWN = "held", "missed", "not shown"


@dataclass(frozen=True)
class Budget:
    """One kind of budget: ``most`` tells a limit from above from one from below."""

    name: str
    unit: str
    most: bool
    phrase: str
    """What a file does, ``{}`` standing for the value with its unit."""
    more: str
    """What narrows its interval; empty where there is none."""
    opposite: str = ""
    """What a file does whose value is below 0; empty where it cannot be."""


BUDGETS: Mapping[str, Budget] = {
    budget.name: budget
    for budget in (
        Budget(
            "max-drop",
            "points",
            True,
            "drops accuracy by {}",
            "more test images narrow it",
            "gains {} of accuracy",
        ),
        Budget("max-latency-ms", "ms", True, "takes {}", "more launches narrow it"),
        Budget("max-size-mb", "MB", True, "has {}", ""),
        Budget("min-speedup", "x", False, "is {} as fast", "more launches narrow it"),
    )
}


def judged(
    budget: Budget,
    file: str,
    limit: float,
    estimate: Estimate,
    *,
    doubt: str = "",
    noisy: bool = False,
) -> dict[str, Any]:
    """The verdict on a measured value, as docs/bench-json.md has it.

    Held or missed where the whole interval lies on one side of ``limit`` (on it counts as held). A
    ``doubt`` is about what the interval does not hold: with one nothing is shown. ``noisy`` says
    why the interval is wide, and is no more than a hint.
    """
    # Of what costs, less is better; of what gains, the same with the signs turned.
    sign = 1 if budget.most else -1
    value, ends = sign * estimate.value, sorted((sign * estimate.low, sign * estimate.high))
    best, worst = ends[0] - sign * limit, ends[1] - sign * limit
    over = value - sign * limit
    text = f"{file} {_measured(budget, limit, estimate)}: "
    exact = estimate.low == estimate.high
    if doubt:
        verdict, text = NOT_SHOWN, f"{text}not shown, because {doubt}"
    elif worst <= 0:
        verdict = HELD
        text += _margin("held by", -over, -worst, budget.unit, exact)
    elif best > 0:
        verdict = MISSED
        text += _margin("missed by", over, best, budget.unit, exact)
    else:
        verdict = NOT_SHOWN
        noise = ": the machine was too noisy" if noisy else ""
        text += f"not shown, because the interval straddles the budget{noise}; {budget.more}"
    return {
        **_head(budget, file, limit),
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "verdict": verdict,
        "sentence": text,
    }


def unmeasured(
    budget: Budget, file: str, limit: float, reason: str, verdict: str = NOT_SHOWN
) -> dict[str, Any]:
    """The verdict where there is no value to judge, and why not."""
    allowed = f"{budget.name} {_limit(limit, budget.unit)}"
    return {
        **_head(budget, file, limit),
        "value": None,
        "low": None,
        "high": None,
        "verdict": verdict,
        "sentence": f"{file}, {allowed}: {verdict}, because {reason}",
    }


def enforce(verdicts: Iterable[Mapping[str, Any]], *, lenient: bool = False) -> None:
    """Raise BudgetError naming every budget that was missed, or not shown unless ``lenient``."""
    every = list(verdicts)
    failed = [one for one in every if _fails(one, lenient)]
    if failed:
        worst = sorted(failed, key=_weight, reverse=True)
        raise BudgetError(f"{_counted(failed, every)}: {_sentences(worst)}{_hint(failed)}")


def _fails(verdict: Mapping[str, Any], lenient: bool) -> bool:
    return verdict["verdict"] == MISSED or (verdict["verdict"] == NOT_SHOWN and not lenient)


def _counted(failed: Sequence[Any], every: Sequence[Any]) -> str:
    of = "" if len(every) == 1 else f"{len(failed)} of {len(every)} "
    return f"{of}budget{'' if len(every) == 1 else 's'} not held"


def _weight(verdict: Mapping[str, Any]) -> tuple[bool, float]:
    """What is missed weighs more than what is not shown, then what is further from its limit."""
    value, limit = verdict["value"], verdict["limit"]
    missed = verdict["verdict"] == MISSED
    if value is None:
        return missed, inf
    return missed, abs(value - limit) / max(abs(limit), 1e-9)


def _sentences(worst: Sequence[Mapping[str, Any]]) -> str:
    text = "; ".join(str(one["sentence"]) for one in worst[:MOST_NAMED])
    rest = Counter(one["verdict"] for one in worst[MOST_NAMED:])
    counts = ", ".join(f"{number} {verdict}" for verdict, number in rest.items())
    return f"{text}; and {rest.total()} more ({counts})" if rest else text


def _hint(failed: Iterable[Mapping[str, Any]]) -> str:
    alone = all(one["verdict"] == NOT_SHOWN for one in failed)
    return "; --lenient lets pass what is not shown" if alone else ""


def _head(budget: Budget, file: str, limit: float) -> dict[str, Any]:
    return {"budget": budget.name, "file": file, "limit": limit, "unit": budget.unit}


def _measured(budget: Budget, limit: float, estimate: Estimate) -> str:
    """What the file does, how sure that is, and what it may do."""
    told, unit = _limit(limit, budget.unit), budget.unit
    phrase = budget.phrase
    allowed = f"{told} {'allowed' if budget.most else 'asked for'}"
    if budget.opposite and round(estimate.value, 2) < 0:
        # The interval, too, is that of the gain then.
        estimate, phrase, allowed = estimate.scaled(-1), budget.opposite, f"a drop of {allowed}"
    return f"{phrase.format(amount(estimate.value, unit))} ({spread(estimate, unit)}), {allowed}"


def _limit(limit: float, unit: str) -> str:
    """As it was given, not rounded."""
    told = f"{limit:.10g}"
    if unit == "x":
        return f"{told}x"
    return f"{told} {'point' if (told, unit) == ('1', 'points') else unit}"


def _margin(word: str, by: float, least: float, unit: str, exact: bool) -> str:
    """By how much, and how sure that is."""
    return f"{word} {amount(by, unit)}" + ("" if exact else f", by at least {amount(least, unit)}")
