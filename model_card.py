"""What an artefact says of itself: the card that a checkpoint and an ONNX file both carry.

The card is stored as flat string properties under ``nnc.*``: in a safetensors header and in
ONNX's ``metadata_props`` alike, so that each stage needs a path and little else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import InputError

__all__ = ["SCHEMA_VERSION", "InputSpec", "ModelCard", "Stage"]

SCHEMA_VERSION = 1


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
            if len(values) != self.channels or not all(math.isfinite(v) for v in values):
                raise InputError(
                    f"{name} {list(values)}: expected {self.channels} finite number(s), "
                    "one a channel"
                )
        if min(self.std) <= 0:
            raise InputError(f"std {list(self.std)}: expected numbers above 0")


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
    architecture: str = ""
    macs: int | None = None
    history: tuple[Stage, ...] = ()
    parent_sha256: str = ""

    def __post_init__(self) -> None:
        if len(self.labels) < 2:
            raise InputError(f"{len(self.labels)} class label(s); expected at least 2")

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
        """The card as flat strings, ready for a file's metadata."""
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
        return {f"nnc.{key}": json.dumps(value, sort_keys=True) for key, value in values.items()}

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
                key.removeprefix("nnc."): json.loads(text)
                for key, text in properties.items()
                if key.startswith("nnc.")
            }
            version = int(values["schema_version"])
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(f"{source}: damaged nnc metadata ({error})") from error
        if version > SCHEMA_VERSION:
            raise InputError(
                f"{source}: metadata schema {version}, this nnc reads up to {SCHEMA_VERSION}; "
                "update nnc"
            )
        try:
            spec, norm = values["input"], values["normalisation"]
            return cls(
                input=InputSpec(
                    channels=int(spec["channels"]),
                    height=int(spec["height"]),
                    width=int(spec["width"]),
                    mean=tuple(float(v) for v in norm["mean"]),
                    std=tuple(float(v) for v in norm["std"]),
                ),
                labels=tuple(str(label) for label in values["labels"]),
                architecture=str(values.get("architecture", "")),
                macs=None if values.get("macs") is None else int(values["macs"]),
                history=tuple(
                    Stage(
                        str(stage["stage"]),
                        dict(stage["settings"]),
                        dict(stage["results"]),
                        str(stage.get("command", "")),
                    )
                    for stage in values.get("history", [])
                ),
                parent_sha256=str(values.get("parent_sha256", "")),
            )
        except InputError as error:
            raise InputError(f"{source}: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f"{source}: damaged nnc metadata ({error!r})") from error
