"""The stages a recipe can name: one visible table of their settings, inputs and functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError
from . import stage_runners
from .stage_job import StageJob

__all__ = ["KINDS", "StageKind"]

Settings = Mapping[str, Any]


def _as_stated(settings: Settings, _inputs: tuple[Path, ...]) -> Settings:
    return dict(settings)


@dataclass(frozen=True)
class StageKind:
    """What a stage of one kind takes and makes.

    ``structure`` names the keys that wire stages together; ``settings`` the others with their
    type; ``suffix`` ends its output's name, ``takes`` its inputs'. ``validate`` raises InputError
    for values out of range; ``resolve`` gives every number the stage will use on its inputs.
    """

    structure: tuple[str, ...]
    settings: Mapping[str, type]
    suffix: str
    takes: tuple[str, ...]
    validate: Callable[[Settings], object]
    runner: Callable[[StageJob], Mapping[str, Any]]
    resolve: Callable[[Settings, tuple[Path, ...]], Settings] = _as_stated
    required: tuple[str, ...] = ()

    def check(self, settings: Settings, where: str) -> None:
        """Raise InputError, naming ``where``, unless ``settings`` are complete and in range."""
        for key in self.required:
            if key not in settings:
                raise InputError(f"{where}: needs {key}")
        for key, value in settings.items():
            expected = self.settings[key]
            fits = isinstance(value, (int, float) if expected is float else expected)
            if not fits or (isinstance(value, bool) and expected is not bool):
                raise InputError(f"{where}: {key} = {value!r}; expected {TYPE_NAMES[expected]}")
        try:
            self.validate(settings)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error


TYPE_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "a table",
}

FIT = {"recipe": str, "epochs": int, "batch_size": int, "learning_rate": float, "train_images": int}

KINDS: dict[str, StageKind] = {
    "train": StageKind(
        structure=("output",),
        settings={"arch": str, **FIT, "image_size": int, "half": bool},
        required=("arch",),
        suffix=".safetensors",
        takes=(),
        validate=stage_runners.train_settings,
        runner=stage_runners.run_train,
        resolve=stage_runners.resolved_train,
    ),
    "prune": StageKind(
        structure=("from", "output"),
        settings={
            "sensitivity": float,
            "table": dict,
            "target_macs": float,
            "target_parameters": float,
            "target_latency_ms": float,
            "method": str,
            "criterion": str,
            "scope": str,
            "round_to": int,
            "schedule": str,
            "iterations": int,
            "recover": str,
            "patience": int,
            **FIT,
        },
        suffix=".safetensors",
        takes=(".safetensors",),
        validate=stage_runners.prune_settings,
        runner=stage_runners.run_prune,
        resolve=stage_runners.resolved_prune,
    ),
    "export": StageKind(
        structure=("from", "output"),
        settings={"keep_masked": bool},
        suffix=".onnx",
        takes=(".safetensors",),
        validate=dict,
        runner=stage_runners.run_export,
    ),
    "quantise": StageKind(
        structure=("from", "output"),
        settings={
            "samples": int,
            "target": str,
            "calibration": str,
            "percentile": float,
            "max_drop": float,
            "never_slower": bool,
            "or_weights_only": bool,
            "search_seconds": float,
            "guard_images": int,
        },
        suffix=".onnx",
        takes=(".onnx",),
        validate=stage_runners.quantise_settings,
        runner=stage_runners.run_quantise,
    ),
    "bench": StageKind(
        structure=("files",),
        settings={
            "threads": int,
            "batch_size": int,
            "rounds": int,
            "seconds": float,
            "launches": int,
            "roofline": bool,
            "profile": bool,
            "images": int,
        },
        suffix=".json",
        takes=(".safetensors", ".onnx"),
        validate=stage_runners.bench_settings,
        runner=stage_runners.run_bench,
        resolve=stage_runners.resolved_bench,
    ),
}
