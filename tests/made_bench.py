"""Bench results of version 2 made from numbers, as like measured ones as can be."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnc.runtimes.accuracy.accuracy import Accuracy
from nnc.runtimes.accuracy.agreement import agree
from nnc.runtimes.accuracy.answers import Answers
from nnc.runtimes.accuracy.packed import pack
from nnc.runtimes.bench.speedup import baseline, ratio_interval, speedup

__all__ = ["FILES", "LABELS", "Made", "bench_result", "spoilt"]

LABELS = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """What a file is to look like: milliseconds of one image, bytes, answers lost and won."""

    name: str
    ms: float
    bytes: int
    lost: int = 0
    won: int = 0
    runtime: str = "onnxruntime"
    parameters: int = 2_236_106
    nonzero: int = 2_236_106
    macs: int = 5_600_000
    int8: float = 0.0
    error: str | None = None


FILES = (
    Made("mobilenet-fashion-mnist.safetensors", 7.03, 4_710_000, runtime="pytorch"),
    Made("reference.onnx", 0.39, 8_900_000),
    Made("pruned.onnx", 0.26, 5_830_000, 45, 19, parameters=1_450_000, nonzero=1_360_000,
         macs=3_910_000),
    Made("pruned.int8.onnx", 0.22, 1_660_000, 50, 23, parameters=1_460_000, nonzero=1_330_000,
         macs=4_020_000, int8=0.94),
)  # fmt: skip


def bench_result(
    files: Sequence[Made] = FILES,
    *,
    images: int = 2000,
    labels: Sequence[str] = LABELS,
    accuracy: bool = True,
    threads: Sequence[int] = (1,),
    batch_sizes: Sequence[int] = (1,),
    launches: int = 6,
    rounds: int = 10,
    profile: bool = False,
    machine: str = "a" * 16,
    seed: int = 0,
    spread: float = 0.02,
) -> dict[str, Any]:
    """The object that ``nnc bench`` would write of such files; the first is the baseline."""
    random = np.random.default_rng(seed)
    truth = np.arange(images) % len(labels)
    first = _answers(truth, len(labels), np.random.default_rng(1))
    loads = [(t, b) for t in threads for b in batch_sizes]
    times = {
        (made.name, load): _times(made, load, (launches, rounds), spread, random)
        for made in files
        for load in loads
    }
    entries = []
    for place, made in enumerate(files):
        answers = _changed(first, truth, made, len(labels), np.random.default_rng(2))
        latency = [
            _latency(times[made.name, load], times[files[0].name, load], load, place == 0)
            for load in loads
            if made.error is None and files[0].error is None
        ]
        entries.append(
            _file(made, labels)
            | {
                "accuracy": _accuracy(answers, truth, labels)
                if accuracy and made.error is None
                else None,
                "agreement": agree(Answers(first), Answers(answers), truth, labels).to_json()
                if accuracy and made.error is None and place
                else None,
                "latency": latency,
                "profile": _profile(made) if profile and made.error is None else None,
            }
        )
    return {
        "schema_version": 2,
        "kind": "bench",
        "nnc": "0.1.0",
        "created": "2026-11-25T19:30:00Z",
        "command": ["nnc", "bench", *(made.name for made in files), "-o", "bench.json"],
        "environment": _environment(machine),
        "settings": {
            "device": "cpu",
            "provider": None,
            "threads": list(threads),
            "batch_sizes": list(batch_sizes),
            "rounds": launches * rounds,
            "seconds": 3.0,
            "launches": launches,
            "seed": 0,
            "images": None,
            "cpus": [0, 1],
        },
        "data": {
            "name": "fashion-mnist-mini",
            "images": images,
            "classes": list(labels),
            "sha256": hashlib.sha256(truth.tobytes()).hexdigest(),
            "labels": pack(truth),
        }
        if accuracy
        else None,
        "noise": {
            "verdict": "quiet",
            "reasons": [],
            "steal": 0.001,
            "waiting": 0.004,
            "load": 0.1,
        },
        "peaks": [
            {
                "threads": t,
                "flops_per_s": 45e9 * t,
                "bytes_per_s": 11e9 * min(t, 1.4),
                "int8_ops_per_s": 90e9 * t,
                "cache_bytes": 8 << 20,
                "cache_bytes_per_s": 40e9 * t,
            }
            for t in threads
        ]
        if profile
        else None,
        "files": entries,
        "budgets": [],
    }


def spoilt(result: Mapping[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """A deep copy of ``result`` after ``change`` has had its way with it."""
    copied = copy.deepcopy(dict(result))
    change(copied)
    return copied


def _file(made: Made, labels: Sequence[str]) -> dict[str, Any]:
    failed = made.error is not None
    return {
        "file": f"runs/quickstart/{made.name}",
        "name": made.name,
        "kind": "checkpoint" if made.name.endswith(".safetensors") else "onnx",
        "sha256": hashlib.sha256(made.name.encode()).hexdigest(),
        "runtime": made.runtime,
        "device": "cpu",
        "provider": None,
        "error": made.error,
        "warnings": [],
        "input": {"channels": 1, "height": 28, "width": 28, "mean": [0.286], "std": [0.353]},
        "labels": list(labels),
        "size": {
            "bytes": made.bytes,
            "zipped_bytes": int(0.92 * made.bytes),
            "parameters": made.parameters,
            "nonzero_parameters": made.nonzero,
            "macs": made.macs,
            "int8_mac_share": made.int8,
            "zeros": None
            if made.nonzero == made.parameters
            else f"{made.parameters - made.nonzero:,} zeros are stored and computed: they save "
            "nothing here",
        },
        "load_ms": None if failed else _launches(90.0),
        "first_inference_ms": None if failed else _launches(4 * made.ms),
        "peak_memory_bytes": None if failed else 90_000_000,
    }


def _launches(median: float) -> dict[str, Any]:
    return {"median": median, "low": 0.9 * median, "high": 1.3 * median, "runs": 3}


def _times(
    made: Made,
    load: tuple[int, int],
    shape: tuple[int, int],
    spread: float,
    random: np.random.Generator,
) -> np.ndarray[Any, Any]:
    """Milliseconds [launches, rounds, 20]: launches and rounds have levels of their own."""
    threads, batch = load
    expected = made.ms * batch**0.85 / threads**0.6
    levels = np.exp(random.normal(0, spread, (shape[0], 1, 1)))
    levels = expected * levels * (1 + spread * random.gamma(1.5, 1, (*shape, 1)))
    noise: np.ndarray[Any, Any] = levels * (1 + 0.06 * random.gamma(1.2, 1, (*shape, 20)))
    return noise


def _latency(
    times: np.ndarray[Any, Any], base: np.ndarray[Any, Any], load: tuple[int, int], first: bool
) -> dict[str, Any]:
    threads, batch = load
    percentiles = np.percentile(times, np.arange(101))
    own, theirs = (np.median(one, axis=2).tolist() for one in (times, base))
    compared = baseline(len(own) * len(own[0])) if first else speedup(theirs, own)
    median = float(percentiles[50])
    _, low, high = ratio_interval(own)
    return {
        "threads": threads,
        "batch_size": batch,
        "median": median,
        "low": min(low, median),
        "high": max(high, median),
        "p5": float(percentiles[5]),
        "p95": float(percentiles[95]),
        "p99": float(percentiles[99]),
        "percentiles": percentiles.tolist(),
        "runs": int(times.size),
        "rounds": times.shape[0] * times.shape[1],
        "launches": len(times),
        "images_per_s": 1000 * batch / median,
        "cpu_ms": 1.02 * median,
        "gpu": None,
        "speedup": compared.to_json(),
    }


def _answers(
    truth: np.ndarray[Any, Any], classes: int, random: np.random.Generator
) -> np.ndarray[Any, Any]:
    """Right for 92 % of the images; the sixth or so label is the hard one."""
    hard = np.where(truth == 6 % classes, 0.24, 0.06)
    wrong = random.random(len(truth)) < hard
    return np.where(
        wrong, (truth + 1 + random.integers(0, classes - 1, len(truth))) % classes, truth
    )


def _changed(
    first: np.ndarray[Any, Any],
    truth: np.ndarray[Any, Any],
    made: Made,
    classes: int,
    random: np.random.Generator,
) -> np.ndarray[Any, Any]:
    found = first.copy()
    right, wrong = np.flatnonzero(first == truth), np.flatnonzero(first != truth)
    lost = random.permutation(right)[: made.lost]
    won = random.permutation(wrong)[: made.won]
    found[lost] = (truth[lost] + 1) % classes
    found[won] = truth[won]
    return found


def _accuracy(
    answers: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], labels: Sequence[str]
) -> dict[str, Any]:
    in_top5 = (answers == truth) | (np.arange(len(truth)) % 3 > 0) if len(labels) > 5 else None
    return Accuracy.from_answers(Answers(answers, in_top5), truth, labels).to_json()


def _profile(made: Made) -> dict[str, Any]:
    """Convolutions of falling size and two that memory limits; times above what the peaks allow."""
    random = np.random.default_rng(len(made.name))
    layers = []
    for place in range(24):
        depthwise = place % 3 == 1
        macs = int(made.macs * (0.01 if depthwise else 0.06) * random.uniform(0.6, 1.4))
        moved = int(made.bytes / 24 * random.uniform(0.5, 1.5) * (2 if depthwise else 1))
        compute, memory = 2000 * macs / 45e9, 1000 * moved / 11e9
        limit = max(compute, memory)
        layers.append(
            {
                "name": f"features.{place // 3}.{'depthwise' if depthwise else f'conv{place % 3}'}",
                "op": "Conv",
                "int8": made.int8 > 0 and place > 1,
                "macs": macs,
                "bytes": moved,
                "limit_ms": limit,
                "limit": "compute" if compute > memory else "memory",
                "ms": limit * random.uniform(1.2, 6),
                "share": 0.0,
            }
        )
    total = sum(layer["ms"] for layer in layers)
    for layer in layers:
        layer["ms"] *= made.ms / total
        layer["share"] = layer["ms"] / made.ms
    allowed = min(sum(layer["limit_ms"] for layer in layers), 0.6 * made.ms)
    return {
        "threads": 1,
        "batch_size": 1,
        "limit_ms": allowed,
        "attained": allowed / made.ms,
        "measured_ms": made.ms,
        "layers": layers,
    }


def _environment(machine: str) -> dict[str, Any]:
    return {
        "cpu": "AMD EPYC" if machine.startswith("a") else "Intel Xeon",
        "architecture": "x86_64",
        "instruction_sets": ["avx", "fma", "avx2"],
        "cores": {"physical": 2, "logical": 2, "usable": 2},
        "memory_bytes": 16_000_000_000,
        "os": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.1.0",
        "python": "3.11.7",
        "gpus": [],
        "versions": {"numpy": "2.3.1", "onnx": "1.19", "onnxruntime": "1.32.0", "torch": "2.15.0"},
        "machine": machine,
    }
