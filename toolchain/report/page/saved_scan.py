"""A scan.json, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....errors import InputError
from ....runtimes.verdicts.saved import load_json
from ....runtimes.verdicts.shapes import (
    Shape,
    ShapeError,
    flag,
    keyed,
    listed,
    maybe,
    number,
    text,
    whole,
)

__all__ = ["check_scan", "read_scan"]

ANY = text()
SHARE = number(0, 1)
MEASURED = keyed(accuracy=SHARE, nonzero_parameters=whole())
CURVE: dict[str, Shape] = {"accuracy": listed(maybe(SHARE))}
HEADER: dict[str, Shape] = {"epochs": whole(), "images": whole(), "reference": maybe(MEASURED)}

SETTINGS = keyed(
    sensitivities=listed(number(0, 1), least=1, most=100),
    method=ANY,
    criterion=ANY,
    part=ANY,
    max_drop=number(0, 100),
)
SCAN = keyed(
    schema_version=whole(1, 1),
    complete=flag,
    checkpoint=ANY,
    data=ANY,
    settings=SETTINGS,
    whole=keyed(**HEADER, **CURVE),
    layers=maybe(
        keyed(
            **HEADER,
            curves=listed(keyed(name=ANY, units=whole(), **CURVE)),
            table=maybe(keyed()),
            table_at_once=maybe(MEASURED),
        )
    ),
)


def read_scan(path: Path) -> dict[str, Any]:
    """The scan in ``path``; InputError where it is none, or not finished."""
    return check_scan(load_json(path), path)


def check_scan(value: Any, path: Path) -> dict[str, Any]:
    """``value``, read from ``path``, if it is a finished scan."""
    try:
        SCAN(value, "")
        if not value["complete"]:
            raise InputError(f"{path} is of a scan that is not finished; run nnc scan again")
        steps = len(value["settings"]["sensitivities"])
        layers = value["layers"]["curves"] if value["layers"] else []
        exact = listed(SHARE, least=steps, most=steps)
        for place, curve in enumerate([value["whole"], *layers]):
            exact(curve["accuracy"], f"layers.curves[{place - 1}].accuracy" if place else "whole")
        for part in filter(None, (value["whole"], value["layers"])):
            MEASURED(part["reference"], "reference")
    except ShapeError as error:
        raise InputError(f"{path} is no scan.json of nnc scan: {error}") from error
    found: dict[str, Any] = value
    return found
