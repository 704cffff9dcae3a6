"""The command line as it was typed, to stand in a result."""

from __future__ import annotations

import shlex
import sys

__all__ = ["command_line"]


def command_line() -> str:
    """``nnc`` and its arguments, quoted for a shell."""
    return shlex.join(["nnc", *sys.argv[1:]])
