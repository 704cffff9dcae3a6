"""What a bench result comes to, in two sentences: gained at what cost, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....runtimes.verdicts.estimates import Estimate
from ....runtimes.verdicts.wording import digits, probability
from ..plain_text import byte_size
from .budget_words import Gate, gate
from .chosen import choose
from .files_view import FileView, views
from .headline_tiles import Tile, compared_tiles, own_tiles
from .numbers import counted, interval, listed, milliseconds, percent, points

__all__ = ["Headline", "headline"]


@dataclass(frozen=True)
class Headline:
    """``claim``: one sentence; ``sure``: how far it can be trusted, a sentence or more."""

    claim: str
    sure: str
    tiles: tuple[Tile, ...] = ()
    view: FileView | None = None
    """The file it is about; None where none could be measured."""
    gate: Gate | None = None
    """None where no budget was given."""


def headline(bench: Mapping[str, Any]) -> Headline:
    """Of the file that `choose` takes, against the first."""
    every = views(bench)
    found = choose(bench, every)
    if found is None:
        outcome = _gate(bench, None)
        return Headline("No file could be measured.", every[0].entry["error"], gate=outcome)
    shown, first = found.view, every[0]
    outcome = _gate(bench, shown)
    if shown is first:
        claim, sure, tiles = _alone(shown), [""], own_tiles(shown)
    elif not _is_compared(shown, first):
        claim = f"The baseline {first.name} could not be measured, so nothing is compared."
        sure, tiles = [_alone(shown)], own_tiles(shown)
    else:
        claim, tiles = _claim(shown, first), compared_tiles(shown, first)
        sure = [*_sure(shown), *_runtime_share(every, shown)]
    sure += [found.why, *_dead(every), _noise(bench)]
    return Headline(claim, " ".join(filter(None, sure)), tuple(tiles), shown, outcome)


def _gate(bench: Mapping[str, Any], shown: FileView | None) -> Gate | None:
    died = [view.name for view in views(bench) if view.entry["error"] is not None]
    lenient = "--lenient" in (bench["command"] or ())
    return gate(bench["budgets"], shown, died=died, lenient=lenient)


def _is_compared(shown: FileView, first: FileView) -> bool:
    """Whether there is a baseline: one that died in the end may have been timed before."""
    timed = shown.latency and shown.latency["speedup"]
    answered = shown.entry["agreement"] and first.entry["accuracy"]
    return first.entry["error"] is None or bool(timed or answered)


def _claim(shown: FileView, first: FileView) -> str:
    speed, size = _speed(shown, first), _size(shown, first)
    if size and not speed.startswith("is "):
        size = f"is {size}"
    gains = [part for part in (speed, size) if part]
    # A gain and a loss are set against each other, two of a kind are added up.
    word = " but " if speed and (" as fast " in speed) != ("smaller" in size) else " and "
    claim = f"{shown.name} {word.join(gains)}" if gains else shown.name
    cost = _cost(shown)
    return f"{claim}{', ' if gains else ' '}{cost}." if cost else f"{claim}."


def _speed(shown: FileView, first: FileView) -> str:
    speedup = shown.latency["speedup"] if shown.latency else None
    if speedup is None:
        return ""
    if speedup["verdict"] == "faster":
        return f"is {digits(speedup['ratio'])} times as fast as {first.name}"
    if speedup["verdict"] == "slower" and speedup["ratio"] > 0:
        return f"takes {digits(1 / speedup['ratio'])} times as long as {first.name}"
    if speedup["verdict"] == "too noisy":
        return f"could not be timed well enough to tell it from {first.name}"
    return f"is not shown to be faster or slower than {first.name}"


def _size(shown: FileView, first: FileView) -> str:
    sizes = [one.entry["size"]["bytes"] if one.entry["size"] else 0 for one in (shown, first)]
    if not all(sizes):
        return ""
    new, old = sizes
    if new > 2 * old:
        return f"{digits(new / old)} times its size"
    share = round(100 * abs(new - old) / old)
    if not share:
        return "of the same size"
    return f"{share} % {'smaller' if new < old else 'larger'}"


def _cost(shown: FileView) -> str:
    found = shown.entry["agreement"]
    if found is None:
        return ""
    if found["verdict"] == "no difference shown":
        return f"with no difference in accuracy shown on {counted(found['images'], 'image')}"
    size = f"{abs(100 * found['difference']):.2f}"
    lost = found["verdict"] == "worse"
    return f"{'at the cost of' if lost else 'and gains'} {size} points of accuracy"


def _sure(shown: FileView) -> Iterator[str]:
    latency, found = shown.latency, shown.entry["agreement"]
    parts = []
    if latency and latency["speedup"]:
        speedup = latency["speedup"]
        between = interval(digits(speedup["low"]), digits(speedup["high"]))
        rounds = counted(latency["rounds"], "interleaved round")
        launches = counted(latency["launches"], "launch", "launches")
        parts.append(f"speed-up {between} over {rounds} in {launches}")
    if found is not None:
        between = interval(points(found["low"]), points(found["high"]))
        parts.append(
            f"accuracy {between} points on the same {counted(found['images'], 'image')} "
            f"(McNemar {probability(found['p'])})"
        )
    if parts:
        yield f"95 % intervals: {'; '.join(parts)}."


def _runtime_share(every: Sequence[FileView], shown: FileView) -> Iterator[str]:
    """What the same runtime made of the network before it was pruned or quantised.

    A speed-up over PyTorch eager is partly that of another runtime; the first other file of the
    same runtime tells how much. Each file's ratio of a round is to the baseline in that round, so
    their quotients are paired, too.
    """
    first = every[0]
    other = next((one for one in every[1:] if one.runtime == shown.runtime), None)
    if other is None or other is shown or first.runtime == shown.runtime:
        return
    if not other.latency or not shown.latency:
        return
    pair = other.latency["speedup"], shown.latency["speedup"]
    if pair[0] is None or pair[1] is None or pair[1]["verdict"] != "faster":
        return
    found = _quotient(pair[1]["rounds"], pair[0]["rounds"], shown.latency["launches"])
    if found is None:
        return
    against = f"{other.name}, in the same runtime"
    if found.low <= 1 <= found.high:
        yield f"Against {against}, no difference in speed is shown."
        return
    word = "as fast"
    if found.high < 1:
        found, word = Estimate(1 / found.value, 1 / found.high, 1 / found.low), "as slow"
    between = interval(digits(found.low), digits(found.high))
    yield f"Against {against}, it is {digits(found.value)} times {word} ({between})."


def _quotient(new: Sequence[float], old: Sequence[float], launches: int) -> Estimate | None:
    """Of two speed-ups over one baseline, by the ratios of all rounds, launch by launch."""
    from ....runtimes.bench.speedup import ratio_interval

    alike = len(new) == len(old) and launches > 1 and new and len(new) % launches == 0
    if not alike or min(*new, *old) <= 0:
        return None
    ratios = [one / other for one, other in zip(new, old, strict=True)]
    size = len(ratios) // launches
    return Estimate(*ratio_interval([ratios[i : i + size] for i in range(0, len(ratios), size)]))


def _dead(every: Sequence[FileView]) -> Iterator[str]:
    names = [one.name for one in every if one.entry["error"] is not None]
    if names:
        yield f"Not measured to the end, because of an error: {', '.join(names)}."


def _noise(bench: Mapping[str, Any]) -> str:
    return {
        "quiet": "The machine was quiet.",
        "noisy": "The machine was noisy: times are worth less than they look.",
        "unknown": "",
    }[bench["noise"]["verdict"]]


def _alone(shown: FileView) -> str:
    parts = []
    if shown.latency:
        parts.append(f"answers in {milliseconds(shown.latency['median'])}")
    if accuracy := shown.entry["accuracy"]:
        images = counted(accuracy["images"], "test image")
        parts.append(f"is right on {percent(accuracy['top1'])} of {images}")
    if shown.entry["size"]:
        parts.append(f"has {byte_size(shown.entry['size']['bytes'])}")
    return f"{shown.name} {listed(parts) or 'was measured'}."
