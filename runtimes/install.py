"""The command that installs a part of nnc: from the clone where nnc runs from one."""

from __future__ import annotations

from pathlib import Path

__all__ = ["install_command"]


def install_command(extra: str) -> str:
    """``pip install`` of an extra, to be pasted into a shell."""
    root = Path(__file__).resolve().parents[1]
    if (root / "pyproject.toml").is_file():
        return f'pip install -e "{root}[{extra}]"'
    return f'pip install "nnc-toolchain[{extra}]"'
