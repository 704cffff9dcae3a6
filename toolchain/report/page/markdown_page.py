"""The report as Markdown: headline, verdicts, table, environment, commands; no pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..markdown import escape
from ..plain_text import byte_size, one_line
from ..roofline import conclusion
from .budget_words import budget_title
from .caption import caption
from .files_table import cells
from .files_view import FileView, views, zeros_lines
from .headline import headline
from .markdown_classes import markdown_classes
from .markdown_table import markdown_table
from .measured_part import WORDS, machine_facts, when
from .numbers import percent
from .saved_run import Run
from .subject import Subject, page_command
from .sweep_table import sweep_rows

__all__ = ["markdown_page"]


def markdown_page(subjects: Sequence[Subject], output: str) -> str:
    """A part for each subject, and what makes the page again; every text from a file is escaped."""
    lines = [line for subject in subjects for line in (*_subject(subject), "")]
    lines += ["## To make this page again", "", _code(page_command(subjects, output)), ""]
    return "\n".join(lines)


def _subject(subject: Subject) -> Iterator[str]:
    yield f"# {escape(subject.title)}"
    yield ""
    if subject.bench is not None:
        yield from _bench(subject.bench)
    if subject.run is not None:
        yield from _run(subject.run)
    if subject.scan is not None:
        yield from _scan(subject.scan)
    if subject.commands:
        yield "## To measure it again"
        yield ""
        yield from map(_code, subject.commands)


def _bench(bench: Mapping[str, Any]) -> Iterator[str]:
    found, shown = headline(bench), views(bench)
    if found.gate is not None:
        yield f"**{escape(found.gate.sentence)}**"
        yield ""
    yield f"**{escape(found.claim)}** {escape(found.sure)}"
    yield ""
    for verdict in bench["budgets"]:
        title, sentence = escape(budget_title(verdict)), escape(verdict["sentence"])
        yield f"- **{verdict['verdict']}**, {title}: {sentence}"
    if bench["budgets"]:
        yield ""
    titles = ("file", "runtime", *(title.lower() for title, _, _ in cells(shown[0])))
    yield from markdown_table(titles, map(_cells, shown), left=2)
    yield escape(caption(bench, shown))
    yield ""
    yield from _notes(shown)
    yield from _sweep(shown)
    yield from markdown_classes(shown, shown[0] if found.view is None else found.view)
    profiles = [(one.name, one.entry["profile"]) for one in shown if one.entry["profile"]]
    if profiles:
        yield "## Where the time goes"
        yield ""
        yield from (f"- {escape(name)}: {escape(conclusion(one))}" for name, one in profiles)
        yield ""
    yield "## How it was measured"
    yield ""
    yield f"- noise: {WORDS[bench['noise']['verdict']]}"
    yield from (f"- {escape(line)}" for line in bench["noise"]["reasons"])
    yield from (f"- {name}: {escape(text)}" for name, text in machine_facts(bench["environment"]))
    yield f"- measured: {escape(when(bench))}"
    yield ""


def _cells(view: FileView) -> list[str]:
    name = view.name if view.entry["error"] is None else f"{view.name} (died)"
    figures = (
        main + (f" ({'; '.join(details)})" if details else "") for _, main, details in cells(view)
    )
    return [name, view.runtime, *figures]


def _notes(shown: Sequence[FileView]) -> Iterator[str]:
    lines = [
        f"- {escape(one.name)}: {escape(line)}"
        for one in shown
        for line in (
            *((f"error: {one.entry['error']}",) if one.entry["error"] is not None else ()),
            *one.entry["warnings"],
            *zeros_lines(one),
        )
    ]
    if lines:
        yield from (*lines, "")


def _sweep(shown: Sequence[FileView]) -> Iterator[str]:
    rows = [
        (
            "-" if row.threads is None else str(row.threads),
            str(row.batch),
            row.view.name,
            f"{row.latency} ({row.latency_interval})",
            row.images_per_s,
            row.speedup + (f" ({row.speedup_interval})" if row.speedup_interval else ""),
            row.verdict,
        )
        for row in sweep_rows(shown)
    ]
    if rows:
        yield "## Every number of threads and batch size"
        yield ""
        titles = ("threads", "batch", "file", "latency", "images a second", "speed-up", "verdict")
        yield from markdown_table(titles, rows)


def _run(run: Run) -> Iterator[str]:
    rows = [(one.file, byte_size(one.size_bytes), f"{one.seconds:.0f}") for one in run.stages]
    yield from markdown_table(("made", "size", "seconds"), rows)
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
    rows = [("0 %", percent(whole["reference"]["accuracy"]))]
    rows += [
        (percent(fraction, 0), percent(accuracy))
        for fraction, accuracy in zip(told["sensitivities"], whole["accuracy"], strict=True)
    ]
    yield from markdown_table(("pruned of every layer", f"{told['part']} accuracy"), rows, left=0)


def _code(command: str) -> str:
    return f"    {one_line(command)}"
