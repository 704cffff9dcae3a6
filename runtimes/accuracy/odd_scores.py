"""Scores that are no numbers: the images they stand for, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["refuse_odd"]

_WHY = "its weights are damaged, or its arithmetic is not defined there"
_WHY_ENGINE = (
    "likely values over 65504, which fp16 cannot hold (build it with --precision fp32), else "
    "its weights are damaged"
)


def refuse_odd(path: Path, what: str, odd: Sequence[int], images: int, first: int = 0) -> None:
    """Raise InputError where there are ``odd`` images, named by their places among all.

    ``images`` were looked at, the first of them being image ``first``, counted from 0; ``what`` is
    what the file returns for the odd ones.
    """
    if not odd:
        return
    which = f"image {odd[0]}"
    if len(odd) == images > 1:
        which = f"each of images {first} to {first + images - 1}"
    elif len(odd) > 1:
        which += f" and {len(odd) - 1} more of images {first} to {first + images - 1}"
    why = _WHY_ENGINE if path.suffix.lower() == ".engine" else _WHY
    raise InputError(f"{path} returns {what} for {which}: {why}")
