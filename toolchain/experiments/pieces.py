"""The pieces of a study: one network each, made once, measured once, kept in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...models.checkpoint import read_arrays
from ...whole_files import write_text

__all__ = ["Piece", "Pieces"]

Make = Callable[[Path], Mapping[str, Any]]
Measure = Callable[[Path], float]


@dataclass(frozen=True)
class Piece:
    """A finished piece: its checkpoint, a hash of its weights, and what was measured of it."""

    checkpoint: Path
    weights: str
    results: Mapping[str, Any]
    test_accuracy: float


class Pieces:
    """Pieces by name, each a ``NAME.safetensors`` with a ``NAME.json`` beside it.

    A piece that lies there with the same settings is not made again; one with others is refused,
    unless ``overwrite``. Whichever of its two halves (made, measured) is missing is done anew.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        self._folder = folder
        self._overwrite = overwrite

    def done(self, name: str) -> bool:
        """Whether a piece of that name was made and measured, with whatever settings."""
        record = self._read(name)
        return record is not None and "test_accuracy" in record

    def get(self, name: str, settings: Mapping[str, Any], make: Make, measure: Measure) -> Piece:
        """The piece called ``name``: ``make`` writes its checkpoint and says what came out,
        ``measure`` gives its accuracy on test images.

        Raises InputError where the folder holds one of other settings.
        """
        checkpoint = self._folder / f"{name}.safetensors"
        record = self._read(name)
        told = json.loads(json.dumps(settings))
        if record is not None and record["settings"] != told:
            if not self._overwrite:
                raise InputError(
                    f"{self._path(name)} was made with other settings "
                    f"({_difference(record['settings'], told)}); choose another -o, or pass "
                    "--force to replace what differs"
                )
            record = None
        if record is None or not checkpoint.is_file():
            results = make(checkpoint)
            record = {"settings": told, "results": results, "weights": _weights(checkpoint)}
            self._write(name, record)
        if "test_accuracy" not in record:
            record = {**record, "test_accuracy": measure(checkpoint)}
            self._write(name, record)
        return Piece(checkpoint, record["weights"], record["results"], record["test_accuracy"])

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _read(self, name: str) -> dict[str, Any] | None:
        """What is recorded; None where there is nothing, or nothing whole."""
        try:
            record = json.loads(self._path(name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            if self._overwrite:
                return None
            raise InputError(
                f"{self._path(name)} cannot be read ({error}); remove it, or pass --force"
            ) from error
        if not isinstance(record, dict) or not {"settings", "results", "weights"} <= set(record):
            if self._overwrite:
                return None
            raise InputError(
                f"{self._path(name)} is no piece of a study; choose another -o, or pass --force"
            )
        return record

    def _write(self, name: str, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, indent=2, allow_nan=False)
        write_text(self._path(name), text + "\n")


def _weights(checkpoint: Path) -> str:
    """Names the weights alone: a file also tells how long it took to make, which varies."""
    digest = hashlib.sha256()
    for name, array in sorted(read_arrays(checkpoint).items()):
        digest.update(name.encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _difference(there: Any, here: Mapping[str, Any]) -> str:
    """The first setting that differs."""
    if not isinstance(there, Mapping):
        return "damaged"
    for key in sorted({*there, *here}):
        if there.get(key) != here.get(key):
            return f"{key} {there.get(key)} there, {here.get(key)} here"
    return "none"
