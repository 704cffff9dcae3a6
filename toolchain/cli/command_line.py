"""The command line as it was typed, to stand in a result."""

from __future__ import annotations

import shlex
import sys

__all__ = ["arguments", "command_line"]


def arguments() -> list[str]:
    """``nnc`` and its arguments, one by one."""
    return ["nnc", *sys.argv[1:]]


def command_line() -> str:
    """``nnc`` and its arguments, quoted for a shell."""
    return shlex.join(arguments())
