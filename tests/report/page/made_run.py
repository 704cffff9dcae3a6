"""The folder that ``nnc run`` leaves, and a scan, made from numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["SENSITIVITIES", "run_folder", "run_state", "scan_result"]

SENSITIVITIES = [0.2, 0.4, 0.6, 0.8]


def run_folder(folder: Path, bench: Mapping[str, Any], *, scan: bool = True) -> Path:
    """``folder`` with results.json, run.json and, if asked for, scan.json."""
    folder.mkdir(parents=True)
    bench = {**bench, "command": ["nnc", "run", "quickstart"]}
    (folder / "results.json").write_text(json.dumps(bench))
    (folder / "run.json").write_text(json.dumps(run_state()))
    if scan:
        (folder / "scan.json").write_text(json.dumps(scan_result()))
    return folder


def run_state() -> dict[str, Any]:
    """A finished prune and export, a page, and a stage that was begun."""
    made = {"fingerprint": "f", "sha256": "s", "size_bytes": 4_710_000, "seconds": 120.5}
    rounds = [
        {
            "fraction": 0.1 * (number + 1),
            "accuracy_pruned": 0.9 - 0.05 * number,
            "accuracy_retrained": 0.93 - 0.002 * number,
            "epochs": 2,
            "nonzero_parameters": 2_000_000,
            "compact_parameters": int(2_236_106 * (0.85 - 0.15 * number)),
            "compact_macs": 5_000_000,
            "latency_ms": None,
        }
        for number in range(3)
    ]
    pruned = {
        "accuracy_before": 0.934,
        "validation_accuracy": 0.926,
        "whole_parameters": 2_236_106,
        "whole_macs": 5_600_000,
        "rounds": rounds,
    }
    stages = {
        "pruned.safetensors": {**made, "result": pruned},
        "pruned.onnx": {**made, "size_bytes": 3_000_000, "result": {"macs": 1}},
        "pruned.int8.onnx": {"fingerprint": "begun"},
        "results.md": {"fingerprint": "page"},
    }
    return {"schema_version": 1, "recipe": "quickstart", "stages": stages}


def scan_result(layers: int = 6) -> dict[str, Any]:
    """A scan of the whole network and of ``layers`` layers."""
    steps = range(len(SENSITIVITIES))
    reference = {"accuracy": 0.934, "nonzero_parameters": 2_236_106}
    curves = [
        {
            "name": f"features.{layer}.conv.0",
            "units": 32,
            "accuracy": [0.93 - 0.02 * layer * step for step in steps],
            "nonzero_parameters": [1] * len(SENSITIVITIES),
        }
        for layer in range(layers)
    ]
    part = {"epochs": 0, "images": 1000, "reference": reference}
    return {
        "schema_version": 1,
        "complete": True,
        "checkpoint": "mobilenet.safetensors",
        "data": "fashion-mnist-mini",
        "settings": {
            "sensitivities": SENSITIVITIES,
            "method": "channel",
            "criterion": "l2",
            "part": "validation",
            "max_drop": 1.0,
        },
        "whole": {**part, "accuracy": [0.93, 0.9, 0.7, 0.2], "nonzero_parameters": [1] * 4},
        "layers": {
            **part,
            "curves": curves,
            "table": {curve["name"]: 0.2 for curve in curves},
            "table_at_once": reference,
        },
    }
