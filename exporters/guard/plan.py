"""What a search decided, written down so that it can be made again without searching."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...whole_files import check_input
from .candidate import Candidate

if TYPE_CHECKING:
    from .ranking import RankedUnit
    from .trial import Trial

__all__ = ["SCHEMA_VERSION", "Plan", "read_plan"]

SCHEMA_VERSION = 1
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Plan:
    """The choice, and everything that led to it."""

    choice: Candidate
    model_sha256: str
    """Of the float file that the choice was made for: node names mean something there alone."""
    profile: str
    samples: int = 0
    """Calibration images that were asked for; 0 where that is not known."""
    seed: int = 0
    images_sha256: str = ""
    """Of the calibration images' pixels; empty where that is not known."""
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    """Mean and standard deviation by which they were normalised; () where that is not known."""
    trials: Sequence[Trial] = ()
    units: Sequence[RankedUnit] = ()

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON values; `read_plan` takes it, alone or inside a result."""
        return {
            "schema_version": SCHEMA_VERSION,
            "model_sha256": self.model_sha256,
            "profile": self.profile,
            "samples": self.samples,
            "seed": self.seed,
            "images_sha256": self.images_sha256,
            "mean": list(self.normalisation[0]),
            "std": list(self.normalisation[1]),
            "choice": self.choice.to_json(),
            "trials": [trial.to_json() for trial in self.trials],
            "units": [unit.to_json() for unit in self.units],
        }


def read_plan(path: Path) -> Plan:
    """The choice in ``path``: a plan, or what ``nnc quantise --json`` printed.

    Raises InputError for anything else. Trials and units are not read back.
    """
    check_input(path)
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"{path} has over 64 MiB; expected the JSON of nnc quantise")
    try:
        value = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON; expected that of nnc quantise --json") from error
    if isinstance(value, dict) and isinstance(value.get("plan"), dict):
        value = value["plan"]
    if not isinstance(value, dict) or "choice" not in value:
        raise InputError(f"{path} holds no plan; expected the JSON of nnc quantise --json")
    if value.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{path} has plan version {value.get('schema_version')!r}; expected {SCHEMA_VERSION}: "
            "quantise once more without --plan"
        )
    return Plan(
        Candidate.from_json(value["choice"], str(path)),
        str(value.get("model_sha256", "")),
        str(value.get("profile", "")),
        _whole(value.get("samples", 0), path, "samples"),
        _whole(value.get("seed", 0), path, "seed"),
        str(value.get("images_sha256", "")),
        (_numbers(value, "mean", path), _numbers(value, "std", path)),
    )


def _numbers(value: Mapping[str, Any], key: str, path: Path) -> tuple[float, ...]:
    found = value.get(key, [])
    if not isinstance(found, list) or not all(type(number) in (int, float) for number in found):
        raise InputError(f"{path}: the plan's '{key}' is no list of numbers")
    return tuple(found)


def _whole(value: Any, path: Path, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise InputError(f"{path}: the plan's '{key}' is no whole number from 0 on")
    return value
