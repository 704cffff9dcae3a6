"""The report as Markdown: headline, verdicts, table, environment, commands; no pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..markdown import escape
from ..plain_text import byte_size, one_line
from .files_table import cells
from .files_view import FileView, views
from .headline import headline
from .measured_part import machine_facts, when
from .numbers import percent
from .saved_run import Run
from .subject import Subject

__all__ = ["markdown_page"]


def markdown_page(subjects: Sequence[Subject], _output: str) -> str:
    """A part for each subject; every text from a file is escaped."""
    return "\n".join(line for subject in subjects for line in (*_subject(subject), "")) + ""


def _subject(subject: Subject) -> Iterator[str]:
    yield f"# {escape(subject.title)}"
    yield ""
    if subject.bench is not None:
        yield from _bench(subject.bench)
    if subject.run is not None:
        yield from _run(subject.run)
    if subject.scan is not None:
        yield from _scan(subject.scan)
    yield "## To make it again"
    yield ""
    yield from (f"    {one_line(command)}" for command in subject.commands)


def _bench(bench: Mapping[str, Any]) -> Iterator[str]:
    found, shown = headline(bench), views(bench)
    yield f"**{escape(found.claim)}** {escape(found.sure)}"
    yield ""
    for verdict in bench["budgets"]:
        name, sentence = escape(verdict["budget"]), escape(verdict["sentence"])
        yield f"- **{verdict['verdict']}**, {name}: {sentence}"
    if bench["budgets"]:
        yield ""
    titles = ("file", "runtime", *(title.lower() for title, _, _ in cells(shown[0])))
    yield _row(titles)
    yield _row(("---", "---", *("---:" for _ in titles[2:])))
    yield from (_row(_cells(one, len(titles))) for one in shown)
    yield ""
    yield from (
        f"- {escape(one.name)}: {escape(line)}" for one in shown for line in one.entry["warnings"]
    )
    yield f"- machine: {bench['noise']['verdict']}"
    yield from (f"- {escape(line)}" for line in bench["noise"]["reasons"])
    yield from (f"- {name}: {escape(text)}" for name, text in machine_facts(bench["environment"]))
    yield f"- measured: {escape(when(bench))}"
    yield ""


def _cells(view: FileView, columns: int) -> list[str]:
    row = [escape(view.name), escape(view.runtime)]
    if view.entry["error"] is not None:
        return [*row, escape(f"error: {view.entry['error']}"), *[""] * (columns - 3)]
    figures = (
        main + (f" ({'; '.join(details)})" if details else "") for _, main, details in cells(view)
    )
    return [*row, *map(escape, figures)]


def _run(run: Run) -> Iterator[str]:
    yield _row(("made", "size", "seconds"))
    yield _row(("---", "---:", "---:"))
    for one in run.stages:
        yield _row((escape(one.file), byte_size(one.size_bytes), f"{one.seconds:.0f}"))
    yield ""
    for pruning in run.prunings:
        steps = (
            f"{one['compact_parameters']:,} parameters {percent(one['accuracy_retrained'])}"
            for one in pruning.rounds
        )
        yield (
            f"Pruning {escape(pruning.file)}: {percent(pruning.accuracy_before)} before, then "
            f"{', '.join(steps)} (validation)."
        )
        yield ""


def _scan(scan: Mapping[str, Any]) -> Iterator[str]:
    told, whole = scan["settings"], scan["whole"]
    yield _row(("pruned of every layer", f"{escape(told['part'])} accuracy"))
    yield _row(("---:", "---:"))
    yield _row(("0 %", percent(whole["reference"]["accuracy"])))
    for fraction, accuracy in zip(told["sensitivities"], whole["accuracy"], strict=True):
        yield _row((percent(fraction, 0), percent(accuracy)))
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
