"""What became of a file's latency: by its speed-up over a common baseline where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .change import Change, not_comparable
from .estimates import Estimate, ratio
from .machines import machine_differences, same_machine
from .matching import Pair

__all__ = ["latency_change"]

Result = Mapping[str, Any]

PACKAGES = {
    "pytorch": ("torch",),
    "pytorch-compiled": ("torch",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "tensorrt": ("tensorrt",),
    "tensorrt-rtx": ("tensorrt-rtx-cu13",),
}
"""What has to be of one version for a baseline to be as fast in both results."""

MOST_DIFFERENCES = 3

SEPARATE = (
    "medians of two runs, which were not interleaved: what else the machine did then is part of it"
)


def latency_change(pair: Pair, old: Result, new: Result) -> Change:
    """How many times as fast the new file is as the old one.

    Only between results of one machine, for the first threads and batch size that both measured.
    Where both compare with the same baseline file, run by the same version of its runtime, the
    two speed-ups are compared: each was measured in interleaved rounds, so that a machine that was
    slower on one of the days drops out. Else the medians are, with a word of caution.
    """
    if not same_machine(old["environment"], new["environment"]):
        found = machine_differences(old["environment"], new["environment"])
        named = "; ".join((*found[:MOST_DIFFERENCES], *["…"] * (len(found) > MOST_DIFFERENCES)))
        return _refused(pair, f"measured on different machines ({named})")
    places = [(file["device"], file["provider"]) for file in (pair.old, pair.new)]
    if places[0] != places[1]:
        there, here = (" with ".join(filter(None, place)) for place in places)
        return _refused(pair, f"ran in different places: {there} there, {here} here")
    loads = _same_load(pair)
    if loads is None:
        return _refused(pair, "no threads and batch size that both measured")
    before, after = loads
    unit = f"ms, batch {after['batch_size']}, {_threads(after['threads'])}"
    common = _common_baseline(old, new)
    if not pair.baseline and common:
        change = _over_baseline(before, after)
        if change is not None:
            return _judged(before, after, unit, change, f"speed-ups over {new['files'][0]['name']}")
    change = ratio(*(Estimate.of(one, "median") for one in (before, after)))
    if change is None:
        return _refused(pair, "the times are too far apart, or one may be 0: nothing to compare")
    doubt = ""
    if pair.baseline and common:
        doubt = "it is the same file in the same runtime, so a difference is the machine's"
    elif "noisy" in (result["noise"]["verdict"] for result in (old, new)):
        doubt = "the machine was noisy in one of them, so nothing is shown"
    return _judged(before, after, unit, change, SEPARATE, doubt)


def _judged(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    unit: str,
    change: Estimate,
    how: str,
    doubt: str = "",
) -> Change:
    verdicts = [(one["speedup"] or {}).get("verdict") for one in (before, after)]
    return Change.judged(
        before["median"],
        after["median"],
        unit,
        change,
        "x",
        how,
        none=1.0,
        doubt=doubt,
        noisy="too noisy" in verdicts,
    )


def _refused(pair: Pair, why: str) -> Change:
    old, new = (file["latency"][0]["median"] if file["latency"] else None for file in pair.both)
    return not_comparable(old, new, "ms", "x", why)


def _same_load(pair: Pair) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """The first threads and batch size of the new file that the old one has too."""
    before = {(one["threads"], one["batch_size"]): one for one in pair.old["latency"]}
    for after in pair.new["latency"]:
        if (load := (after["threads"], after["batch_size"])) in before:
            return before[load], after
    return None


def _common_baseline(old: Result, new: Result) -> bool:
    """Whether both first files have the same bytes and are run alike."""
    first, second = old["files"][0], new["files"][0]
    alike = all(first[key] == second[key] for key in ("sha256", "runtime", "device", "provider"))
    versions = [result["environment"].get("versions") for result in (old, new)]
    packages = PACKAGES.get(second["runtime"], ())
    return (
        alike
        and second["sha256"] is not None
        and all(isinstance(one, Mapping) for one in versions)
        and all(versions[0].get(name) == versions[1].get(name) for name in packages)
    )


def _over_baseline(before: Mapping[str, Any], after: Mapping[str, Any]) -> Estimate | None:
    """The new speed-up over the old one; None where either has none."""
    if before["speedup"] is None or after["speedup"] is None:
        return None
    return ratio(Estimate.of(after["speedup"], "ratio"), Estimate.of(before["speedup"], "ratio"))


def _threads(number: int | None) -> str:
    return "on the GPU" if number is None else f"{number} thread{'' if number == 1 else 's'}"
