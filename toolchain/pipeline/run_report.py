"""The page that a run leaves beside its results, for people."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from ...errors import MissingError
from ..report.figure import check_drawing

__all__ = ["REPORT", "can_draw", "write_run_report"]

REPORT = "report.html"

_log = logging.getLogger(__name__)


def can_draw() -> bool:
    """Whether matplotlib is there; where it is not, the log says that there will be no page."""
    try:
        check_drawing()
    except MissingError as error:
        _log.warning("no %s: %s", REPORT, error)
        return False
    return True


def write_run_report(folder: Path, title: str, command: str) -> None:
    """Write the page of the run in ``folder``, whole or not at all, in place of an older one.

    ``command`` made the run. Raises InputError where its results are damaged.
    """
    from ..report.page import read_subject, write_report

    subject = replace(read_subject(folder), title=title, command=command)
    write_report([subject], folder / REPORT, overwrite=True)
