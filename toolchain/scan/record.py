"""A scan's results: kept as they come, written as ``scan.json``, read back to go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...whole_files import check_input, write_text
from .points import ALL_IMAGES, REFERENCE, TABLE, WHOLE, Measured, Point, plan
from .settings import ScanSettings

__all__ = ["Record"]

SCHEMA_VERSION = 1


class Record:
    """What has been measured so far, of which scan, and the table that follows from it.

    ``facts`` says what was scanned (checkpoint, data, images measured); two records with the same
    facts and settings are of one scan.
    """

    def __init__(self, settings: ScanSettings, facts: Mapping[str, Any]) -> None:
        self.settings = settings
        self.facts = dict(facts)
        self.parts: dict[str, int] = {}
        self._measured: dict[Point, Measured] = {}

    def add(self, point: Point, measured: Measured) -> None:
        """Keep one result."""
        self._measured[point] = measured

    def get(self, point: Point) -> Measured | None:
        """The result of a point; None where it has not been measured."""
        return self._measured.get(point)

    def left(self) -> list[Point]:
        """The points still to be measured but the table's, once ``parts`` are known."""
        return [p for p in plan(self.settings, self.parts) if p not in self._measured]

    def drop(self, point: Point) -> float | None:
        """Points of accuracy lost against the reference on the same images; None if unmeasured."""
        measured = self._measured.get(point)
        reference = self._measured.get(_reference_of(point))
        if measured is None or reference is None:
            return None
        return 100 * (reference.accuracy - measured.accuracy)

    def table(self) -> dict[str, float]:
        """For each part the largest sensitivity that, with all below it, keeps within max_drop.

        0 where even the smallest costs more.
        """
        chosen = {}
        for name in self.parts:
            best = 0.0
            for sensitivity in self.settings.sensitivities:
                lost = self.drop(Point(name, sensitivity, self.settings.layer_epochs))
                # The tolerance is for rounding: a drop of just max_drop is within it.
                if lost is None or lost > self.settings.max_drop + 1e-9:
                    break
                best = sensitivity
            chosen[name] = best
        return chosen

    @property
    def table_point(self) -> Point:
        """The point that applies the whole table at once."""
        return Point(TABLE, 0.0, self.settings.layer_epochs)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to measure."""
        if not self.settings.layers:
            return not self.left()
        return bool(self.parts) and not self.left() and self.table_point in self._measured

    def to_json(self) -> dict[str, Any]:
        """The object in ``scan.json``; null stands for what is not measured yet."""
        told = self.settings
        layers = None
        if told.layers:
            layers = {
                **self._header(told.layer_epochs),
                "curves": [
                    {"name": name, "units": units, **self._curve(name, told.layer_epochs)}
                    for name, units in self.parts.items()
                ],
                "table": self.table() if self.complete else None,
                "table_at_once": self._numbers(self.table_point),
            }
        return {
            "schema_version": SCHEMA_VERSION,
            "complete": self.complete,
            **self.facts,
            "settings": _stated(told),
            "whole": {**self._header(told.epochs), **self._curve(WHOLE, told.epochs)},
            "layers": layers,
        }

    def save(self, path: Path) -> None:
        """Replace ``path``."""
        text = json.dumps(self.to_json(), indent=2, allow_nan=False)
        write_text(path, text + "\n")

    def resume(self, path: Path) -> bool:
        """Take over what ``path`` holds if it is of this scan; False where it is of another.

        Raises InputError where it is no scan's file.
        """
        check_input(path)
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            same = (
                saved["schema_version"] == SCHEMA_VERSION
                and saved["settings"] == _stated(self.settings)
                and all(saved[key] == value for key, value in self.facts.items())
            )
            if same:
                self._take(saved)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path} is no scan's record ({type(error).__name__}: {error}); "
                "choose another -o or pass --force to replace it"
            ) from error
        return bool(same)

    def _take(self, saved: Mapping[str, Any]) -> None:
        told = self.settings
        self._take_curve(saved["whole"], WHOLE, told.epochs)
        if (layers := saved["layers"]) is None:
            return
        for curve in layers["curves"]:
            self.parts[str(curve["name"])] = int(curve["units"])
            self._take_curve({**layers, **curve}, str(curve["name"]), told.layer_epochs)
        self._take_numbers(self.table_point, layers["table_at_once"])

    def _take_curve(self, saved: Mapping[str, Any], name: str, epochs: int) -> None:
        self._take_numbers(_reference_of(Point(WHOLE, 0.0, epochs)), saved["reference"])
        pairs = zip(saved["accuracy"], saved["nonzero_parameters"], strict=True)
        for sensitivity, (accuracy, left) in zip(self.settings.sensitivities, pairs, strict=True):
            if accuracy is not None:
                self.add(Point(name, sensitivity, epochs), Measured(float(accuracy), int(left)))

    def _take_numbers(self, point: Point, saved: Mapping[str, Any] | None) -> None:
        if saved is not None:
            self.add(point, Measured(float(saved["accuracy"]), int(saved["nonzero_parameters"])))

    def _header(self, epochs: int) -> dict[str, Any]:
        return {
            "epochs": epochs,
            "images": self.facts["all_images" if epochs else "images"],
            "reference": self._numbers(_reference_of(Point(WHOLE, 0.0, epochs))),
        }

    def _curve(self, name: str, epochs: int) -> dict[str, Any]:
        found = [self.get(Point(name, s, epochs)) for s in self.settings.sensitivities]
        return {
            "accuracy": [one and one.accuracy for one in found],
            "nonzero_parameters": [
                None if one is None else one.nonzero_parameters for one in found
            ],
        }

    def _numbers(self, point: Point) -> dict[str, Any] | None:
        found = self.get(point)
        if found is None:
            return None
        return {"accuracy": found.accuracy, "nonzero_parameters": found.nonzero_parameters}


def _stated(settings: ScanSettings) -> dict[str, Any]:
    """The settings that a result depends on: not the device it was made on."""
    values = settings.to_json()
    del values["device"]
    return values


def _reference_of(point: Point) -> Point:
    return Point(ALL_IMAGES if point.on_all_images else REFERENCE)
