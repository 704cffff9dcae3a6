"""The console that draws tables and bars."""

from __future__ import annotations

from rich.console import Console

__all__ = ["RichConsole"]


class RichConsole(Console):
    """Lets a broken pipe through to the command line; rich itself would exit with code 1."""

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that is being handled."""
        raise
