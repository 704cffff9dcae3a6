"""Whether a choice holds on images that it was not made by.

What loses least of many candidates on the same images loses more on others: the more were tried,
the luckier the best was. So a choice that accuracy had a part in is judged once more, elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .outcome import nothing_holds
from .ranking import by_worth
from .refine import smaller
from .trial import described
from .units import closed, computes

if TYPE_CHECKING:
    from .candidate import Candidate
    from .trial import Trial
    from .tries import Tries

__all__ = ["confirmed"]

log = logging.getLogger(__name__)

_MOST = 4
"""Choices to judge so: the best of many would be lucky here, too."""


def confirmed(tries: Tries, choice: Trial) -> Trial:
    """``choice`` with its weights as small as they may be, where it holds on other images, too.

    Where it does not, what lost less of what was tried, or has more of it in float. Nothing is
    looked at again where all that was judged held: the calibration alone was chosen then, by how
    near the answers are, and not by how many are right. Raises BudgetError where none holds.
    """
    if tries.judge is None or tries.limits.max_drop is None:
        return _small(tries, choice)
    choice = _small(tries, choice)
    if all(tries.holds(trial.drop) for trial in tries.trials):
        return choice
    beyond = tries.judge.beyond()
    if beyond is None:
        log.warning(
            "no held-back images are left to confirm the choice on: it may lose more on others"
        )
        return choice
    for trial in _surest(tries, choice):
        drop = beyond.drop(tries.builder.build(trial.candidate), tries.limits.max_drop)
        done = replace(trial, confirmed=drop, passed=tries.holds(drop))
        tries.trials[tries.trials.index(trial)] = done
        tries.tell(f"{described(done.candidate)} (on images no choice was made by): {drop}")
        if done.passed:
            return done
    raise nothing_holds(tries)


def _surest(tries: Tries, choice: Trial) -> Iterator[Trial]:
    """``choice``, then what should lose less; all of them pass on the first images."""
    yield choice
    seen, given = {choice.candidate}, 1
    known = _held_by_more(tries, choice)
    for candidate in (*known, *_more_in_float(tries, choice)):
        if given == _MOST:
            return
        if candidate not in known and tries.time_left() <= 0:
            tries.ran_out = True
            return
        if candidate in seen:
            continue
        seen.add(candidate)
        judged = known.get(candidate)
        if judged is None or not judged.passed:
            judged = tries.verdict(candidate, "surer than what did not hold on other images")
        if judged.passed:
            small = _small(tries, judged)
            found = judged if small.candidate in seen else small
            seen.add(found.candidate)
            given += 1
            yield found


def _held_by_more(tries: Tries, choice: Trial) -> dict[Candidate, Trial]:
    """What was tried, was not too slow, and lost less than ``choice``; what lost least first."""
    least = choice.drop.points if choice.drop is not None else 0.0
    found = [
        (trial.drop.points, trial)
        for trial in tries.trials
        if trial.drop is not None
        and trial.drop.points < least
        and tries.holds(trial.drop)
        and (trial.passed or trial.pace is None)
    ]
    return {trial.candidate: trial for _, trial in sorted(found, key=lambda each: each[0])}


def _more_in_float(tries: Tries, choice: Trial) -> list[Candidate]:
    """``choice`` with 1, 2 and 4 more units in float, what costs most accuracy first."""
    prepared, taken = tries.builder.prepared, set(choice.candidate.float_nodes)
    left = [each.unit for each in by_worth(tries.ranked) if not taken >= {*each.unit.nodes}]
    found = []
    for count in (1, 2, 4):
        more = {node for unit in left[:count] for node in unit.nodes}
        nodes = closed(prepared, taken | more)
        if more and computes(prepared, nodes):
            found.append(replace(choice.candidate, float_nodes=nodes))
    return found


def _small(tries: Tries, trial: Trial) -> Trial:
    return smaller(tries, trial) if tries.small else trial
