"""The way in: loads next to nothing, so that Ctrl-C ends in one line from the first moment on."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> None:
    """The console script: runs the command line and exits with its code."""
    try:
        from .main import run_command_line

        code = run_command_line(sys.argv[1:])
    except KeyboardInterrupt:  # while modules load, or a second time while the first is answered
        os.write(2, b"nnc: interrupted\n")
        code = INTERRUPTED
    sys.exit(code)
