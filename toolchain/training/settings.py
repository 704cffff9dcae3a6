"""Training settings: a recipe's numbers, the user's choices, checked together."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...models.registry import ARCHITECTURES, find
from ...whole_files import check_input

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["RECIPES", "FitSettings", "TrainSettings"]

RECIPES = ("modern", "paper", "overfit")
UNREGULARISED = {"weight_decay": 0.0, "label_smoothing": 0.0, "flip": "never", "crop": 0.0}
"""What every recipe becomes for a network without Dropout and BatchNorm."""
SCHEDULES = ("constant", "cosine", "steps")
FLIPS = ("always", "colour", "never")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class FitSettings:
    """How weights are fitted to images: SGD, its learning-rate schedule, augmentation.

    ``decay_all`` decays biases and batch-norm parameters too, not only weights.
    ``crop`` shifts images by up to that fraction of their side; ``flip`` mirrors them left to
    right always, never, or on colour images only. ``warmup_epochs`` rises linearly to
    ``learning_rate``; then it stays (``constant``), falls to zero (``cosine``) or is divided by 10
    at a half and three quarters (``steps``). ``clip_norm`` scales longer gradients (all weights
    together) down to that length; 0 leaves them.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    decay_all: bool
    schedule: str
    warmup_epochs: float
    label_smoothing: float
    flip: str
    crop: float
    clip_norm: float = 0.0
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        _check(self, "epochs", 1, 10_000)
        _check(self, "batch_size", 2, 65_536)
        _check(self, "learning_rate", 1e-12, 100)
        _check(self, "momentum", 0, 0.9999)
        _check(self, "weight_decay", 0, 1)
        _check(self, "warmup_epochs", 0, 10_000)
        _check(self, "label_smoothing", 0, 0.99)
        _check(self, "crop", 0, 0.5)
        _check(self, "clip_norm", 0, 1e6)
        _check(self, "seed", 0, 2**32 - 1)
        _check_choice(self, "schedule", SCHEDULES)
        _check_choice(self, "flip", FLIPS)
        _check_choice(self, "device", DEVICES)
        for name in ("nesterov", "decay_all"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} = {getattr(self, name)!r}: expected true or false")
        if self.nesterov and self.momentum == 0:
            raise InputError("nesterov needs a momentum above 0")


@dataclass(frozen=True)
class TrainSettings:
    """What `nnc train` is told. ``image_size`` None: the network's own default, else the data's.

    ``train_images`` limits the data set's training part, from which a fifth is held out;
    None takes all of it.
    ``half`` stores weights in float16. Without ``regularisation`` the network has neither Dropout
    nor BatchNorm. ``until_train_accuracy`` ends training as soon as that fraction of the training
    images is classified rightly, and keeps those weights, not the best ones on validation.
    """

    arch: str
    fit: FitSettings
    recipe: str = "modern"
    image_size: int | None = None
    train_images: int | None = None
    half: bool = False
    regularisation: bool = True
    until_train_accuracy: float | None = None

    def __post_init__(self) -> None:
        architecture = find(self.arch)
        if self.image_size is not None:
            architecture.check_size(self.image_size, self.image_size)
        if self.train_images is not None and self.train_images < 20:
            raise InputError(f"train_images = {self.train_images}: expected at least 20")
        goal = self.until_train_accuracy
        if goal is not None and not 0 < goal <= 1:
            raise InputError(
                f"until_train_accuracy = {goal:g}: expected a fraction above 0, 1 at most"
            )

    @classmethod
    def from_recipe(
        cls,
        arch: str,
        recipe: str | None = None,
        *,
        image_size: int | None = None,
        train_images: int | None = None,
        half: bool = False,
        regularisation: bool = True,
        until_train_accuracy: float | None = None,
        **overrides: Any,
    ) -> TrainSettings:
        """Settings from a shipped recipe (`RECIPES`) or a TOML file; ``overrides`` replace its
        numbers where they are not None. Unknown keys are refused.

        Without a name the recipe is ``modern``, and ``overfit`` without ``regularisation``; any
        other recipe then loses its weight decay, label smoothing and augmentation.
        """
        find(arch)
        if recipe is None:
            recipe = "modern" if regularisation else "overfit"
        values = _read_recipe(recipe, arch)
        if not regularisation:
            values.update(UNREGULARISED)
        values.update({key: value for key, value in overrides.items() if value is not None})
        return cls(
            arch,
            _fit_settings(values, recipe),
            recipe if recipe in RECIPES else Path(recipe).name,
            image_size,
            train_images,
            half,
            regularisation,
            until_train_accuracy,
        )

    def to_json(self) -> dict[str, Any]:
        """Flat, as recorded in a checkpoint."""
        values = asdict(self)
        return {**values.pop("fit"), **values}


def _read_recipe(recipe: str, arch: str) -> dict[str, Any]:
    path = Path(__file__).parent / f"{recipe}.toml" if recipe in RECIPES else Path(recipe)
    if recipe not in RECIPES and path.suffix != ".toml":
        near = difflib.get_close_matches(recipe, RECIPES, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(
            f"unknown training recipe '{recipe}': "
            f"expected {', '.join(RECIPES)} or a .toml file{hint}"
        )
    check_input(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or a number too long
        raise InputError(f"{path} is not TOML: {error}") from error
    per_arch = values.pop("arch", {})
    if not isinstance(per_arch, Mapping) or not all(
        isinstance(table, Mapping) for table in per_arch.values()
    ):
        raise InputError(f"{path}: expected [arch.NAME] tables")
    if strangers := sorted(set(per_arch) - set(ARCHITECTURES)):
        raise InputError(
            f"{path}: unknown [arch.{strangers[0]}]; expected {', '.join(ARCHITECTURES)}"
        )
    return {**values, **per_arch.get(arch, {})}


def _fit_settings(values: Mapping[str, Any], source: str) -> FitSettings:
    known = {field.name for field in fields(FitSettings)}
    if strangers := sorted(set(values) - known):
        near = difflib.get_close_matches(strangers[0], known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"{source}: unknown setting '{strangers[0]}'{hint}")
    required = {field.name for field in fields(FitSettings) if field.default is MISSING}
    if missing := sorted(required - set(values)):
        raise InputError(f"{source}: lacks {', '.join(missing)}")
    return FitSettings(**values)


def _check(settings: Any, name: str, low: float, high: float) -> None:
    value = getattr(settings, name)
    whole = FitSettings.__dataclass_fields__[name].type == "int"
    if (
        isinstance(value, bool)
        or not isinstance(value, int if whole else (int, float))
        or not low <= value <= high
    ):
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{name} = {value!r}: expected {kind} from {low:g} to {high:g}")


def _check_choice(settings: Any, name: str, choices: tuple[str, ...]) -> None:
    value = getattr(settings, name)
    if value not in choices:
        raise InputError(f"{name} = {value!r}: expected one of {', '.join(choices)}")
