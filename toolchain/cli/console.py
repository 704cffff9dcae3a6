"""What a command says and where: results on stdout, progress and logs on stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from ...progress import SILENT, Progress
from ..report.plain_text import byte_size, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["PIPED_WIDTH", "Console"]

PIPED_WIDTH = 120


class Console:
    """One command's voice, as ``--json``, ``-q`` and ``-v`` set it."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False, verbose: int = 0) -> None:
        self.as_json = as_json
        self.quiet = quiet
        _set_up_logging(verbose)

    @property
    def progress(self) -> Progress:
        """Bars on stderr where that is a terminal; silent under ``-q`` and in pipes."""
        if self.quiet or not sys.stderr.isatty():
            return SILENT
        from .progress_bars import ProgressBars

        return ProgressBars()

    def say(self, line: str) -> None:
        """A line of the report; not under ``-q`` or ``--json``."""
        if not (self.quiet or self.as_json):
            click.echo(printable(line))

    def show(self, view: Callable[[int], RenderableType]) -> None:
        """A table of the report, given the columns there are; not under ``-q`` or ``--json``.

        Without colour and of a fixed width where stdout is a pipe.
        """
        if self.quiet or self.as_json:
            return
        from .rich_console import RichConsole

        rich = RichConsole(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)
        rich.print(view(rich.width))

    def json(self, value: dict[str, Any]) -> None:
        """The one object of ``--json``; nothing without it."""
        if self.as_json:
            click.echo(json.dumps(value, indent=2, allow_nan=False))

    def wrote(self, path: Path, result: dict[str, Any]) -> None:
        """The closing line of every command that writes a file: its path and size.

        Under ``--json`` the object of ``result`` with ``output`` and ``size_bytes`` instead.
        """
        size = path.stat().st_size
        if self.as_json:
            self.json({**result, "output": str(path), "size_bytes": size})
        else:
            click.echo(printable(f"wrote {path} ({byte_size(size)})"))


if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # not subscriptable in Python 3.10


class _StderrHandler(_StreamHandler):
    """Writes to whatever ``sys.stderr`` is now: progress bars take its place while they show."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _value: TextIO) -> None:
        pass


def _set_up_logging(verbose: int) -> None:
    """Warnings of nnc always; ``-v`` its steps, ``-vv`` every library's debug lines too."""
    handler = _StderrHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _StderrHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel((logging.ERROR, logging.WARNING, logging.DEBUG)[min(verbose, 2)])
    logging.getLogger("nnc").setLevel(
        (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    )
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR if verbose < 1 else logging.WARNING)
