"""Which files may be measured against each other: those that answer one question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ..artifact import NO_OVERRIDES, Artifact, CardOverrides, read_artifact

if TYPE_CHECKING:
    from ...model_card import InputSpec

__all__ = ["check_comparable", "read_comparable"]

_CLOSE = 1e-3
"""Means and deviations of pixels in 0..1 that are as near as this are rounded, not different."""


def read_comparable(
    files: Sequence[Path],
    overrides: CardOverrides = NO_OVERRIDES,
    defaults: CardOverrides = NO_OVERRIDES,
    *,
    trust: bool = False,
) -> list[Artifact]:
    """What the files say of themselves, in their order.

    Raises InputError for no files, for one that is named twice (through a link, too), for what
    `read_artifact` refuses and for what `check_comparable` does.
    """
    if not files:
        raise InputError(
            "no files to measure; name at least one .onnx, .safetensors or .engine file"
        )
    artifacts = []
    seen: set[tuple[int, int]] = set()
    for path in files:
        artifacts.append(read_artifact(path, overrides, defaults=defaults, trust=trust))
        status = path.stat()
        if (identity := (status.st_dev, status.st_ino)) in seen:
            raise InputError(f"{path} is named twice; name each file once")
        seen.add(identity)
    check_comparable(artifacts)
    return artifacts


def check_comparable(artifacts: Sequence[Artifact]) -> None:
    """Raise InputError, saying which differ and in what, unless all files do the same job.

    They take images of one size, normalised alike, and tell the same classes apart. Of a file
    without nnc's metadata what nobody said is taken as equal: the names of its classes, and its
    normalisation.
    """
    first, *others = artifacts
    found = []
    for other in others:
        differences = list(_differences(first, other))
        if differences:
            found.append(f"{other.path} has {' and '.join(differences)}")
    if found:
        raise InputError(
            f"{'; '.join(found)}: not comparable with {first.path}; measure files of one task "
            "together, the others in a run of their own"
        )


def _differences(first: Artifact, other: Artifact) -> list[str]:
    ours, theirs = first.card, other.card
    found = []
    if _size(ours.input) != _size(theirs.input):
        found.append(f"input {_size(theirs.input)}, not {_size(ours.input)}")
    elif not _same_normalisation(first, other):
        found.append(
            f"normalisation {_normalisation(theirs.input)}, not {_normalisation(ours.input)}"
        )
    if len(ours.labels) != len(theirs.labels):
        found.append(f"{_classes(len(theirs.labels))}, not {_classes(len(ours.labels))}")
    elif first.own_metadata and other.own_metadata and ours.labels != theirs.labels:
        index = [a == b for a, b in zip(ours.labels, theirs.labels, strict=True)].index(False)
        found.append(f"class {index} called {theirs.labels[index]!r}, not {ours.labels[index]!r}")
    return found


def _same_normalisation(first: Artifact, other: Artifact) -> bool:
    if any(not one.own_metadata and _neutral(one.card.input) for one in (first, other)):
        return True
    ours, theirs = first.card.input, other.card.input
    return all(
        abs(a - b) <= _CLOSE
        for a, b in zip((*ours.mean, *ours.std), (*theirs.mean, *theirs.std), strict=True)
    )


def _neutral(spec: InputSpec) -> bool:
    """What `read_artifact` puts where nobody knows."""
    return set(spec.mean) == {0.0} and set(spec.std) == {1.0}


def _size(spec: InputSpec) -> str:
    return f"{spec.channels}x{spec.height}x{spec.width}"


def _normalisation(spec: InputSpec) -> str:
    mean, std = (",".join(f"{value:.4g}" for value in part) for part in (spec.mean, spec.std))
    return f"mean {mean} std {std}"


def _classes(count: int) -> str:
    return f"{count} classes" if count else "no classes"
