"""What an artefact says of itself: the card that a checkpoint and an ONNX file both carry.

The card is stored as flat string properties under ``nnc.*``: in a safetensors header and in
ONNX's ``metadata_props`` alike, so that each stage needs a path and little else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from .errors import InputError

__all__ = ["SCHEMA_VERSION", "InputSpec", "ModelCard", "Stage"]

_T = TypeVar("_T")

SCHEMA_VERSION = 1

_LARGEST = 1e6
_SMALLEST_STD = 1e-6
"""Below this, normalised pixels leave the range that float32 networks compute in."""
_MOST_LABELS = 1_000_000
_LONGEST_LABEL = 1000
_DEEPEST = 64
"""Levels of lists and objects in a property; every JSON reader and writer follows as many."""


@dataclass(frozen=True)
class InputSpec:
    """The input of a network: one image batch, float32 [N, channels, height, width].

    A pixel ``p`` in 0..255 enters as ``(p / 255 - mean) / std``, per channel; images of another
    size are resized first (bilinear, antialiased).
    """

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise InputError(f"{self.channels} input channels; expected 1 or 3")
        if not (1 <= self.height <= 8192 and 1 <= self.width <= 8192):
            raise InputError(f"image size {self.height}x{self.width}; expected 1 to 8192 pixels")
        for name, values in (("mean", self.mean), ("std", self.std)):
            # False for NaN as well, and safe for whole numbers that no float can hold.
            if len(values) != self.channels or not all(abs(v) <= _LARGEST for v in values):
                raise InputError(
                    f"{name} {list(values)}: expected {self.channels} finite number(s), "
                    f"one a channel, {_LARGEST:.0f} at most"
                )
        if min(self.std) < _SMALLEST_STD:
            raise InputError(
                f"std {list(self.std)}: expected numbers above 0, {_SMALLEST_STD} at least"
            )


@dataclass(frozen=True)
class Stage:
    """One step of an artefact's history: what was done, with which settings, what was measured."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        """The stage as plain JSON values."""
        return {
            "stage": self.name,
            "settings": dict(self.settings),
            "results": dict(self.results),
            "command": self.command,
        }


@dataclass(frozen=True)
class ModelCard:
    """Everything the next stage must know of a network that its weights do not say."""

    input: InputSpec
    labels: tuple[str, ...]
    """Names of the classes; none for a network of another tool whose output is no scores."""
    architecture: str = ""
    macs: int | None = None
    history: tuple[Stage, ...] = ()
    parent_sha256: str = ""
    regularisation: bool = True
    """Whether the network has the Dropout and BatchNorm layers of its architecture."""

    def __post_init__(self) -> None:
        bare = not self.labels and not self.architecture
        if not bare and not 2 <= len(self.labels) <= _MOST_LABELS:
            raise InputError(
                f"{len(self.labels)} class label(s); expected at least 2, {_MOST_LABELS} at most"
            )
        if max(map(len, self.labels), default=0) > _LONGEST_LABEL:
            raise InputError(f"a class label of over {_LONGEST_LABEL} characters; shorten it")
        if self.macs is not None and not 0 <= self.macs < 2**63:
            raise InputError("the MACs in its metadata are no number from 0 to 2**63 - 1")

    @property
    def data(self) -> str:
        """Name of the data set the network was last trained on; empty where none is recorded."""
        for stage in reversed(self.history):
            if name := stage.settings.get("data"):
                return str(name)
        return ""

    def then(self, stage: Stage, *, parent_sha256: str = "", macs: int | None = None) -> ModelCard:
        """The card of the artefact that ``stage`` makes of this one."""
        return replace(
            self,
            history=(*self.history, stage),
            parent_sha256=parent_sha256,
            macs=self.macs if macs is None else macs,
        )

    def to_properties(self) -> dict[str, str]:
        """The card as flat strings, ready for a file's metadata.

        Raises ValueError for NaN or infinity in the history, which would not be read back.
        """
        spec = self.input
        values: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "architecture": self.architecture,
            "input": {"channels": spec.channels, "height": spec.height, "width": spec.width},
            "normalisation": {"mean": list(spec.mean), "std": list(spec.std)},
            "labels": list(self.labels),
            "macs": self.macs,
            "history": [stage.to_json() for stage in self.history],
            "parent_sha256": self.parent_sha256,
        }
        if not self.regularisation:
            values["regularisation"] = False
        return {
            f"nnc.{key}": json.dumps(value, sort_keys=True, allow_nan=False)
            for key, value in values.items()
        }

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], source: str) -> ModelCard | None:
        """Read a card back; None where there are no ``nnc.*`` properties at all.

        ``source`` names the file in messages. Raises InputError where the properties are there
        but damaged, or of a newer schema than this version knows.
        """
        if "nnc.schema_version" not in properties:
            return None
        try:
            values = {
                key.removeprefix("nnc."): _parsed(text)
                for key, text in properties.items()
                if key.startswith("nnc.")
            }
            version = _whole(values["schema_version"], "schema version")
            if version < 1:
                raise ValueError(f"schema version {version}")
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(f"{source}: damaged nnc metadata ({error})") from error
        if version > SCHEMA_VERSION:
            raise InputError(
                f"{source}: metadata schema {version}, this nnc reads up to {SCHEMA_VERSION}; "
                "update nnc"
            )
        try:
            spec = _typed(values["input"], dict, "input")
            norm = _typed(values["normalisation"], dict, "normalisation")
            macs = values.get("macs")
            return cls(
                input=InputSpec(
                    channels=_whole(spec["channels"], "channels"),
                    height=_whole(spec["height"], "height"),
                    width=_whole(spec["width"], "width"),
                    mean=_numbers(norm["mean"], "mean"),
                    std=_numbers(norm["std"], "std"),
                ),
                labels=tuple(
                    _typed(label, str, "a label")
                    for label in _typed(values["labels"], list, "labels")
                ),
                architecture=_typed(values.get("architecture", ""), str, "architecture"),
                macs=None if macs is None else _whole(macs, "MACs"),
                history=tuple(map(_stage, _typed(values.get("history", []), list, "history"))),
                parent_sha256=_typed(values.get("parent_sha256", ""), str, "parent"),
                regularisation=_typed(values.get("regularisation", True), bool, "regularisation"),
            )
        except InputError as error:
            raise InputError(f"{source}: {error}") from error
        except KeyError as error:
            raise InputError(f"{source}: damaged nnc metadata (no {error})") from error
        except (TypeError, ValueError) as error:
            raise InputError(f"{source}: damaged nnc metadata ({error})") from error


def _parsed(text: str) -> Any:
    """A property's JSON value; ValueError for what JSON cannot write back or nests too deep."""
    value = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_bounded)
    layer = [value]
    for _ in range(_DEEPEST):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, (list, dict))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return value
    raise ValueError(f"nested over {_DEEPEST} deep")


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


def _bounded(text: str) -> int:
    # 20 characters hold every 64-bit number; larger ones overflow where they become floats.
    if len(text) > 20:
        raise ValueError(f"a number of {len(text)} characters")
    return int(text)


def _typed(value: Any, kind: type[_T], name: str) -> _T:
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {kind.__name__}, found {type(value).__name__}")
    return value


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{name}: expected int, found bool")
    return _typed(value, int, name)


def _numbers(values: Any, name: str) -> tuple[float, ...]:
    found = _typed(values, list, name)
    if any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in found):
        raise TypeError(f"{name}: expected a list of numbers")
    return tuple(float(value) for value in found)


def _stage(entry: Any) -> Stage:
    stage = _typed(entry, dict, "a stage of the history")
    return Stage(
        _typed(stage["stage"], str, "a stage's name"),
        _typed(stage["settings"], dict, "a stage's settings"),
        _typed(stage["results"], dict, "a stage's results"),
        _typed(stage.get("command", ""), str, "a stage's command"),
    )
