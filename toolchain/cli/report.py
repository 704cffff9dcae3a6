"""``nnc report``: results as one page, a table or data."""

from __future__ import annotations

from pathlib import Path

import click

from .console import Console
from .options import output_options, report_options

__all__ = ["report"]


@click.command()
@click.argument(
    "results", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN_OR_JSON.."
)
@click.option(
    "--format",
    "named",
    type=click.Choice(["html", "markdown", "csv", "json"]),
    help="What to write.  [default: what the output's ending says]",
)
@output_options(required=True)
@report_options
def report(
    results: tuple[Path, ...], named: str | None, output: Path, force: bool, console: Console
) -> None:
    """Make a page of results: headline, table, pictures, and how it was measured.

    RUN_OR_JSON is the folder of nnc run or nnc scan, or a file of nnc bench or nnc scan; each is a
    section. The page (.html) is one file that loads nothing and works offline, in light and dark;
    .md, .csv and .json have the figures without pictures, and need no matplotlib.
    """
    from ...whole_files import check_apart, check_output
    from ..report.page.formats import format_of, write_report
    from ..report.page.subject import read_subject

    chosen = format_of(output, named)
    check_apart(output, (file for path in results for file in _read(path)))
    check_output(output, overwrite=force)
    if chosen == "html":
        from ..report.figure import check_drawing

        check_drawing()
    subjects = [read_subject(path) for path in results]
    write_report(subjects, output, chosen, overwrite=force)
    console.wrote(output, {"format": chosen, "subjects": [subject.title for subject in subjects]})


def _read(path: Path) -> tuple[Path, ...]:
    """The files that may be read where ``path`` is named: itself, or those of a folder."""
    from ..report.page.subject import BENCH, RUN, SCAN

    inside = (BENCH, RUN, SCAN, f"scan/{SCAN}")
    return (path, *(path / name for name in inside))
