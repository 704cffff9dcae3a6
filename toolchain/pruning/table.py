"""A fraction for each layer, as a file: what a scan writes and pruning takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...whole_files import check_input

__all__ = ["read_table"]


def read_table(path: Path) -> dict[str, float]:
    """The fractions by layer of a JSON file: one object of names and numbers.

    Raises InputError for anything else; whether the names are the network's is pruning's to say.
    """
    check_input(path)
    try:
        table: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(table, dict) or not table:
        raise InputError(f'{path}: expected a JSON object such as {{"features.3.conv.0.0": 0.25}}')
    for name, fraction in table.items():
        number = isinstance(fraction, (int, float)) and not isinstance(fraction, bool)
        if not number or not 0 <= fraction < 1:
            raise InputError(
                f"{path}: {name}: {fraction!r}; expected a fraction from 0 up to, not including, 1"
            )
    return {name: float(fraction) for name, fraction in table.items()}
