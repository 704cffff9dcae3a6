"""What is said of a file in place of its metadata, and the card of one that has none."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from ..errors import InputError
from ..model_card import InputSpec, ModelCard

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "NO_OVERRIDES",
    "CardOverrides",
    "first_of",
    "foreign_input",
    "foreign_labels",
    "overridden",
    "say_assumed",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CardOverrides:
    """What the user says of a file in place of its metadata; None leaves the file's own word."""

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_size: int | None = None
    """Pixels a side."""
    labels: tuple[str, ...] | None = None


NO_OVERRIDES = CardOverrides()


def first_of(overrides: CardOverrides, defaults: CardOverrides) -> CardOverrides:
    """Each field of ``overrides``, or where that is None of ``defaults``."""
    values = {}
    for entry in fields(CardOverrides):
        value = getattr(overrides, entry.name)
        values[entry.name] = getattr(defaults, entry.name) if value is None else value
    return CardOverrides(**values)


def overridden(card: ModelCard, overrides: CardOverrides, path: Path) -> ModelCard:
    """The card with the user's word in place of the metadata's; a difference is logged.

    Raises InputError where the two cannot be brought together.
    """
    spec = card.input
    size = overrides.image_size
    says = {
        "mean": (overrides.mean, spec.mean),
        "std": (overrides.std, spec.std),
        "image size": (size and (size, size), (spec.height, spec.width)),
        "labels": (overrides.labels, card.labels),
    }
    try:
        image = InputSpec(
            channels=spec.channels,
            height=size or spec.height,
            width=size or spec.width,
            mean=spec.mean if overrides.mean is None else overrides.mean,
            std=spec.std if overrides.std is None else overrides.std,
        )
        labels = card.labels if overrides.labels is None else overrides.labels
        if len(labels) != len(card.labels):
            raise InputError(f"{len(labels)} labels given; it has {len(card.labels)} classes")
        overridden = replace(card, input=image, labels=labels)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    for name, (given, own) in says.items():
        if given is not None and given != own:
            log.warning("%s: %s %s replaces its metadata's %s", path, name, given, own)
    return overridden


def foreign_input(
    image: tuple[int, int, int], overrides: CardOverrides, defaults: CardOverrides, path: Path
) -> InputSpec:
    """The input of a file without a card, for ``image`` (channels, height, width).

    Raises InputError where what is said of it does not fit.
    """
    channels, height, width = image
    mean, std = overrides.mean, overrides.std
    # The data set's own normalisation serves only networks with as many channels.
    if mean is None and defaults.mean is not None and len(defaults.mean) == channels:
        mean = defaults.mean
    if std is None and defaults.std is not None and len(defaults.std) == channels:
        std = defaults.std
    try:
        return InputSpec(
            channels=channels,
            height=height,
            width=width,
            mean=(0.0,) * channels if mean is None else mean,
            std=(1.0,) * channels if std is None else std,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def say_assumed(
    spec: InputSpec, overrides: CardOverrides, defaults: CardOverrides, path: Path
) -> None:
    """Warn of a normalisation that ``defaults`` alone tell of a file without a card.

    It is a guess, and a costly one: a network that is fed with other values than it was trained on
    answers something else.
    """
    if defaults == NO_OVERRIDES or (overrides.mean is not None and overrides.std is not None):
        return
    shown = (",".join(f"{value:g}" for value in values) for values in (spec.mean, spec.std))
    log.warning(
        "%s does not say how its images are normalised; assuming mean %s and std %s: "
        "pass --mean and --std if it was trained with others",
        path,
        *shown,
    )


def foreign_labels(
    output: tuple[int | None, ...],
    overrides: CardOverrides,
    defaults: CardOverrides,
    path: Path,
) -> tuple[str, ...]:
    """Names for the ``output`` [N, classes] of a file without a card, axes of size 1 aside.

    None for an output of another form, such as a feature map. Raises InputError where the shape is
    not known and nothing else tells, where labels are given that do not fit, and for fewer than 2
    classes.
    """
    said, given = overrides.labels, first_of(overrides, defaults).labels
    axes = [size for size in output[1:] if size != 1]
    shown = ", ".join("?" if size is None else str(size) for size in ("N", *output[1:]))
    if output and not axes:
        raise InputError(
            f"{path}: its output is [{shown}]; expected [N, classes], the scores of at least "
            "2 classes"
        )
    if sum(size is not None for size in axes) > 1:
        if said is not None:
            raise InputError(
                f"{path}: {len(said)} labels for an output [{shown}]; expected [N, classes]"
            )
        return ()
    classes = axes[0] if len(axes) == 1 else None
    if said is not None and classes not in (None, len(said)):
        raise InputError(f"{path}: {len(said)} labels for {classes} classes")
    if given is not None and classes in (None, len(given)):
        return given
    if classes is None:
        raise InputError(f"{path}: its output does not tell the number of classes; say --labels")
    return tuple(str(index) for index in range(classes))
