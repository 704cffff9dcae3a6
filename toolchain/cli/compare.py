"""``nnc compare``: what became of each file between two saved bench results."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..report.bench_notes import check_all_ran
from .budget_options import budget_options
from .console import Console
from .options import input_argument, report_options

if TYPE_CHECKING:
    from ...runtimes.verdicts.budgets import Budgets

__all__ = ["compare"]

log = logging.getLogger(__name__)


@click.command()
@input_argument("old")
@input_argument("new")
@budget_options
@report_options
def compare(old: Path, new: Path, budgets: Budgets, console: Console) -> None:
    """Compare two saved results of nnc bench, OLD.json and NEW.json.

    Files are matched by name. Accuracy is compared image by image where the images are the same,
    latency only between results of one machine. Drop and speed-up budgets are judged from OLD to
    NEW, latency and size budgets on NEW, on every file but a common baseline; of a file that only
    one of them has, what takes both is not shown. The exit code is 3 where a budget is missed or
    not shown, and 1 where a file of NEW died while it was measured.
    """
    from ...runtimes.verdicts.compare import compare as compared
    from ...runtimes.verdicts.saved import read_bench
    from ...runtimes.verdicts.verdict import enforce

    before, after = read_bench(old), read_bench(new)
    for line in budgets.warnings:
        log.warning(line)
    if before == after:
        log.warning("OLD and NEW hold one and the same result: nothing can have changed")
    found = compared(before, after, budgets)
    if not (console.quiet or console.as_json):
        from .compare_view import compare_lines

        for line in compare_lines(found):
            console.say(line)
    console.json(found.to_json())
    enforce(found.budgets, lenient=budgets.lenient)
    check_all_ran(after)
