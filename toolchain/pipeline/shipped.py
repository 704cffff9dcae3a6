"""The trained networks in the package, by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from ...errors import InputError, MissingError

__all__ = ["SHIPPED", "input_file", "shipped_checkpoint"]

SHIPPED = "shipped:"
FOLDER = Path(__file__).resolve().parents[2] / "models" / "weights"


def shipped_checkpoint(name: str) -> Path:
    """The checkpoint that ``shipped:NAME`` names; InputError, naming the nearest, if none.

    Raises MissingError where nnc was installed without any.
    """
    short = name.removeprefix(SHIPPED)
    known = {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}
    if not known:
        raise MissingError(
            f"no shipped checkpoint '{short}': this copy of nnc has no trained networks; "
            "reinstall it, or train one with: nnc train"
        )
    if short not in known:
        near = difflib.get_close_matches(short, known, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"expected {', '.join(known)}"
        raise InputError(f"no shipped checkpoint '{short}'; {hint}")
    return known[short]


def input_file(path: Path) -> Path:
    """``path``, or the file in the package where it reads ``shipped:NAME``."""
    text = str(path)
    return shipped_checkpoint(text) if text.startswith(SHIPPED) else path
