"""The trained networks in the package, by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from ...errors import InputError

__all__ = ["SHIPPED", "input_file", "shipped_checkpoint"]

SHIPPED = "shipped:"
FOLDER = Path(__file__).resolve().parents[2] / "models" / "weights"


def shipped_checkpoint(name: str) -> Path:
    """The checkpoint that ``shipped:NAME`` names; InputError, naming the nearest, if none."""
    short = name.removeprefix(SHIPPED)
    known = {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}
    if short not in known:
        near = difflib.get_close_matches(short, known, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"expected {', '.join(known) or 'none'}"
        raise InputError(f"no shipped checkpoint '{short}'; {hint}")
    return known[short]


def input_file(path: Path) -> Path:
    """``path``, or the file in the package where it reads ``shipped:NAME``."""
    text = str(path)
    return shipped_checkpoint(text) if text.startswith(SHIPPED) else path
