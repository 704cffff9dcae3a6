"""What a bench result says twice has to agree; what does not is one line that names the place."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose
from typing import Any

from .shapes import ShapeError, shown

__all__ = ["check_agrees"]

Part = Mapping[str, Any]

DIRECTIONS = {"faster": "an interval above 1", "slower": "an interval under 1"}
HOLDS_ONE = "an interval that holds 1"


def check_agrees(bench: Part) -> None:
    """Raise `ShapeError` where figures of ``bench``, which has the right shape, contradict others.

    Counts and shares, percentiles and what is read off them, verdicts and their intervals, images
    here and there; within rounding.
    """
    data = bench["data"]
    images = None if data is None else data["images"]
    for index, file in enumerate(bench["files"]):
        where = f"files[{index}]"
        for place, latency in enumerate(file["latency"]):
            _latency(latency, f"{where}.latency[{place}]")
        if file["accuracy"] is not None:
            _accuracy(file["accuracy"], images, f"{where}.accuracy")
        if file["agreement"] is not None:
            _agreement(file["agreement"], images, f"{where}.agreement")


def _latency(latency: Part, where: str) -> None:
    percentiles = latency["percentiles"]
    for key, at in (("median", 50), ("p5", 5), ("p95", 95), ("p99", 99)):
        _near(latency, key, percentiles[at], f"percentiles[{at}]", where)
    if latency["speedup"] is not None:
        _speedup(latency["speedup"], f"{where}.speedup")


def _speedup(speedup: Part, where: str) -> None:
    low, high, verdict = speedup["low"], speedup["high"], speedup["verdict"]
    # A baseline is 1 throughout.
    shows = "faster" if low > 1 else "slower" if high < 1 else ""
    if shows != (verdict if verdict in DIRECTIONS else ""):
        between = f"'{verdict}' with {shown(low)} to {shown(high)}"
        raise ShapeError(f"{where}.verdict", between, DIRECTIONS.get(verdict, HOLDS_ONE))


def _accuracy(accuracy: Part, images: int | None, where: str) -> None:
    _same_images(accuracy, images, where)
    count, correct = accuracy["images"], accuracy["correct"]
    if correct > count:
        raise ShapeError(f"{where}.correct", shown(correct), f"no more than the {count} images")
    _near(accuracy, "top1", correct / count, "correct / images", where)
    if accuracy["top5"] is not None and accuracy["top5_correct"] is not None:
        share = accuracy["top5_correct"] / count
        _near(accuracy, "top5", share, "top5_correct / images", where)


def _agreement(agreement: Part, images: int | None, where: str) -> None:
    _same_images(agreement, images, where)
    count = agreement["images"]
    parts = sum(agreement[key] for key in ("same", "lost", "won", "moved"))
    if parts != count:
        raise ShapeError(f"{where}.images", shown(count), f"same + lost + won + moved, {parts}")
    gained = (agreement["won"] - agreement["lost"]) / count
    _near(agreement, "difference", gained, "(won - lost) / images", where)
    none = agreement["low"] <= 0 <= agreement["high"]
    sign = 0 if none else 1 if agreement["low"] > 0 else -1
    verdict = agreement["verdict"]
    if sign != {"worse": -1, "better": 1}.get(verdict, 0):
        between = f"'{verdict}' with {shown(agreement['low'])} to {shown(agreement['high'])}"
        raise ShapeError(f"{where}.verdict", between, "the side of 0 that the interval is on")


def _same_images(part: Part, images: int | None, where: str) -> None:
    if images is not None and part["images"] != images:
        raise ShapeError(f"{where}.images", shown(part["images"]), f"the {images} of data.images")


def _near(part: Part, key: str, value: float, what: str, where: str) -> None:
    if not isclose(part[key], value, rel_tol=1e-6, abs_tol=1e-9):
        raise ShapeError(f"{where}.{key}", shown(part[key]), f"{what}, {shown(value)}")
