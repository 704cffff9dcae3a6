"""Look for an int8 file that loses little and is never slower, for as long as one is given."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ...errors import BudgetError, InputError
from .candidate import TOOLS, Candidate
from .confirm import confirmed
from .mixture import Mixtures
from .outcome import nothing_holds
from .refine import quicker
from .trial import Trial
from .tries import OutOfTimeError, Tries

__all__ = ["Search"]

_HELPS = 0.9
"""A tool is kept where it brings the divergence under this share of what it was."""

_TOOLS_SHARE = 0.4
"""Of the search, the most that trying tools may take."""

_CALIBRATIONS_SHARE = 0.3
"""Of the search, the most that choosing a calibration may take."""


class Search(Tries):
    """Tries candidates until one holds the limits, and then whether less of it will do."""

    def run(self, first: Sequence[Candidate], *, more_tools: bool) -> Trial:
        """The trial of the candidate to ship.

        ``first`` differ in their calibration; the one whose answers are nearest to the float
        model's is taken. ``more_tools`` allows accuracy tools beyond those it names. Raises
        BudgetError where nothing holds the limits, with the figures of what came nearest.
        """
        return confirmed(self, self._found(first, more_tools=more_tools))

    def only(self, candidate: Candidate, why: str) -> Trial:
        """The trial of the one candidate there is; BudgetError where it fails."""
        trial = self.verdict(candidate, why)
        if not trial.passed:
            raise nothing_holds(self)
        return trial

    def _found(self, first: Sequence[Candidate], *, more_tools: bool) -> Trial:
        start = self._nearest(first)
        trial = self.verdict(start, "whole network in int8")
        if trial.passed:
            able = self.timed and self.limits.search_seconds
            return quicker(self, trial) if able else trial
        if not self.limits.search_seconds:
            raise nothing_holds(self)
        with suppress(OutOfTimeError):
            if more_tools and not self.holds(trial.drop):
                trial = self._with_tools(trial)
            if trial.passed:
                return trial
            mixtures = Mixtures(self, trial)
            try:
                mixtures.run()
            finally:
                self.ranked = mixtures.ranked
        passing = [each for each in self.trials if each.passed]
        if passing:
            return max(passing, key=_merit)
        raise nothing_holds(self)

    def replay(self, candidate: Candidate) -> Trial:
        """The trial of a candidate that an earlier search chose; BudgetError where it fails now."""
        known = {node.name for node in self.builder.prepared.graph.node}
        if unknown := [name for name in candidate.float_nodes if name not in known]:
            raise InputError(
                f"the plan keeps node '{unknown[0]}' in float; the model has none such"
            )
        trial = self.verdict(candidate, "from the plan")
        if not trial.passed:
            raise BudgetError(f"the plan's choice does not pass here: {trial.figures()}")
        return trial

    def _nearest(self, candidates: Sequence[Candidate]) -> Candidate:
        """The candidate whose answers are nearest to float's; the first where time is short.

        The clock starts when the images have been looked at, which any calibration takes.
        """
        if len(candidates) == 1:
            self.start_clock()
            return candidates[0]
        found = {candidates[0]: self.divergence(candidates[0], "which calibration")}
        self.start_clock()
        with self.within(_CALIBRATIONS_SHARE * self.time_left()), suppress(OutOfTimeError):
            for each in candidates[1:]:
                self.check_time()
                found[each] = self.divergence(each, "which calibration")
        return min(found, key=lambda each: found[each])

    def _with_tools(self, trial: Trial) -> Trial:
        """Add the tools that bring the answers nearer to the float model's, until it is enough."""
        best = trial
        share = self.within(_TOOLS_SHARE * self.limits.search_seconds)
        with share, suppress(OutOfTimeError), self.builder.watched(self.check_time):
            nearest = self.divergence(trial.candidate, "without further tools")
            for tool in TOOLS:
                if tool in best.candidate.tools:
                    continue
                self.check_time()
                candidate = replace(best.candidate, tools=(*best.candidate.tools, tool))
                value = self.divergence(candidate, f"does {tool} help")
                if value < _HELPS * nearest:
                    best, nearest = self.verdict(candidate, f"{tool} helps"), value
                    if self.holds(best.drop):
                        break
        return best


def _merit(trial: Trial) -> tuple[float, int]:
    """Fastest first; where that is not known, what leaves least in float."""
    return trial.pace.ratio if trial.pace else 0.0, -len(trial.candidate.float_nodes)
