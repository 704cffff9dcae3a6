"""The page: one HTML file that needs nothing else, with a section for each subject."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from .... import __version__
from ..plain_text import one_line
from .bench_part import bench_part
from .blocks import command_blocks, tiles
from .headline import Headline, headline
from .markup import Markup, join, kept_together, tag
from .measured_part import measured_part, when
from .numbers import counted
from .run_part import run_part, scan_part
from .subject import Subject, page_command
from .svg import Pictures

__all__ = ["POLICY", "html_page"]

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
"""A browser that keeps to it loads nothing and runs nothing, whatever a label brings along."""


def html_page(subjects: Sequence[Subject], output: str) -> str:
    """The whole page; ``output`` is the name it will have. MissingError without matplotlib."""
    pictures = Pictures()
    title = one_line(" · ".join(subject.title for subject in subjects)) or "results"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{title} - nnc report"),
        tag("style", _stylesheet()),
    )
    sections = [
        _subject(subject, f"subject-{number}", pictures)
        for number, subject in enumerate(subjects, start=1)
    ]
    body = tag(
        "body",
        tag("main", _contents(subjects), sections, _again(subjects, output)),
        tag("footer", f"Made by nnc {__version__} from measured results alone."),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en-GB')}\n"


def _subject(subject: Subject, name: str, pictures: Pictures) -> Markup:
    bench = subject.bench
    found = None if bench is None else headline(bench)
    return tag(
        "article",
        tag(
            "header",
            tag("p", _about(subject), _class="about"),
            tag("h2", one_line(subject.title) or "result"),
            None if found is None else _words(found),
        ),
        None if found is None else tiles(found.tiles),
        None if bench is None or found is None else bench_part(bench, found.view, pictures),
        None if subject.run is None else run_part(subject.run, pictures),
        None if subject.scan is None else scan_part(subject.scan, pictures),
        measured_part(subject),
        id=name,
    )


def _words(found: Headline) -> Markup:
    """The outcome of the gate first, if there is one."""
    return join(
        tag("p", kept_together(found.gate.sentence), _class=f"gate {found.gate.mood}")
        if found.gate
        else None,
        tag("p", kept_together(found.claim), _class="claim"),
        tag("p", kept_together(found.sure), _class="sure"),
    )


def _again(subjects: Sequence[Subject], output: str) -> Markup:
    """The one command that makes this page of all its results."""
    return tag(
        "section",
        tag("h3", "To make this page again"),
        command_blocks([page_command(subjects, output)]),
    )


def _about(subject: Subject) -> str:
    """What was measured, where and when, in a line above the title."""
    bench = subject.bench
    if bench is None:
        return "a scan of what pruning costs"
    parts = []
    if bench["data"]:
        images = counted(bench["data"]["images"], "test image")
        parts.append(f"{images} of {one_line(bench['data']['name'])}")
    cpu = bench["environment"].get("cpu")
    if isinstance(cpu, str):
        parts.append(one_line(cpu))
    parts.append(when(bench))
    return " · ".join(parts)


def _contents(subjects: Sequence[Subject]) -> Markup | None:
    """Links to the sections where there are several."""
    if len(subjects) < 2:
        return None
    entries = []
    for number, subject in enumerate(subjects, start=1):
        link = tag("a", one_line(subject.title) or "result", href=f"#subject-{number}")
        found = None if subject.bench is None else headline(subject.bench)
        outcome = f" {found.gate.sentence}" if found and found.gate else ""
        entries.append(tag("li", join(link, f":{outcome} {found.claim}" if found else None)))
    return tag("nav", tag("ol", entries))


def _stylesheet() -> Markup:
    text = (files(__package__) / "page.css").read_text(encoding="utf-8")
    return Markup("\n" + text)
