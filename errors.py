"""Errors a user can mend. Everything else that is raised is a bug and keeps its traceback."""

from __future__ import annotations

__all__ = ["BudgetError", "InputError", "MissingError", "NncError"]


class NncError(Exception):
    """A failure with a one-line remedy: what was found, what was expected, what to do."""

    exit_code = 1


class InputError(NncError):
    """Bad usage or bad input: a wrong path, a corrupt file, a setting out of range."""

    exit_code = 2


class BudgetError(NncError):
    """A budget (accuracy, latency, size) was missed."""

    exit_code = 3


class MissingError(NncError):
    """This machine lacks a package, a GPU or a data set; the message says how to add it."""

    exit_code = 4
