"""What ``nnc run`` keeps in a folder's run.json, as far as a page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import InputError
from ....runtimes.verdicts.saved import load_json
from ....runtimes.verdicts.shapes import ShapeError, keyed, listed, maybe, number, text, whole

__all__ = ["Pruning", "Run", "Stage", "read_run"]

SHARE = number(0, 1)

ROUND = keyed(
    fraction=SHARE,
    accuracy_pruned=SHARE,
    accuracy_retrained=SHARE,
    epochs=whole(),
    nonzero_parameters=whole(),
    compact_parameters=whole(),
    compact_macs=whole(),
)
PRUNED = keyed(
    accuracy_before=SHARE,
    validation_accuracy=SHARE,
    whole_parameters=whole(),
    whole_macs=whole(),
    rounds=listed(ROUND, least=1),
)
FINISHED = keyed(size_bytes=whole(), seconds=number(0))
STATE = keyed(schema_version=whole(1, 1), recipe=text())


@dataclass(frozen=True)
class Pruning:
    """A prune stage's rounds: accuracies are shares of 1 on validation images."""

    file: str
    accuracy_before: float
    whole_parameters: int
    whole_macs: int
    rounds: tuple[Mapping[str, Any], ...]
    """Objects with the fields of `nnc.toolchain.pruning.rounds.Round`."""


@dataclass(frozen=True)
class Stage:
    """One file that the run made: bytes, and the seconds that it took."""

    file: str
    size_bytes: int
    seconds: float


@dataclass(frozen=True)
class Run:
    """A recipe's run."""

    recipe: str
    stages: tuple[Stage, ...]
    prunings: tuple[Pruning, ...]


def read_run(path: Path) -> Run:
    """The run that ``path`` records; InputError where it is no record of one."""
    value = load_json(path)
    stages, prunings = [], []
    try:
        STATE(value, "")
        entries = value.get("stages")
        keyed()(entries, "stages")
        for name, entry in entries.items():
            keyed()(entry, f"stages.{name}")
            if "sha256" not in entry:
                continue  # a page, or a stage that was begun and not finished
            FINISHED(entry, f"stages.{name}")
            stages.append(Stage(name, entry["size_bytes"], entry["seconds"]))
            result = entry.get("result")
            maybe(keyed())(result, f"stages.{name}.result")
            if result and "rounds" in result:
                PRUNED(result, f"stages.{name}.result")
                prunings.append(
                    Pruning(
                        name,
                        result["accuracy_before"],
                        result["whole_parameters"],
                        result["whole_macs"],
                        tuple(result["rounds"]),
                    )
                )
    except ShapeError as error:
        raise InputError(f"{path} is no record of nnc run: {error}") from error
    return Run(value["recipe"], tuple(stages), tuple(prunings))
