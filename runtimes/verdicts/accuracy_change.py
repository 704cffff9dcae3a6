"""What became of a file's accuracy: image by image where the images are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InputError
from ..accuracy.agreement import agree
from ..accuracy.answers import Answers
from ..accuracy.packed import unpack
from .change import Change, not_comparable
from .estimates import Estimate, difference
from .matching import Pair
from .wording import probability

__all__ = ["accuracy_change", "same_images"]

Data = Mapping[str, Any] | None

TOP1 = "top-1 %"


def same_images(old: Data, new: Data) -> bool:
    """Whether both results were measured on the same images with the same labels."""
    return old is not None and new is not None and old["sha256"] == new["sha256"]


def accuracy_change(pair: Pair, old: Data, new: Data) -> Change:
    """The change of top-1 in points, new less old.

    On the same images the answers are paired (exact McNemar for p); on others of the same classes
    the two shares are compared as independent samples, which takes a larger difference to show.
    Raises InputError where packed answers are damaged.
    """
    before, after = (file["accuracy"] for file in pair.both)
    if old is None or new is None or before is None or after is None:
        which = "old" if old is None or before is None else "new"
        return _refused(pair, f"the {which} result has no accuracy of it")
    if old["classes"] != new["classes"]:
        return _refused(pair, f"other classes: {_first_other(old['classes'], new['classes'])}")
    if same_images(old, new):
        return _paired(pair, new)
    found = difference(*(Estimate.of(one, "top1").scaled(100) for one in (after, before)))
    return Change.judged(
        100 * before["top1"],
        100 * after["top1"],
        TOP1,
        found,
        "points",
        f"not the same images ({before['images']:,} of {old['name']} there, {after['images']:,} of "
        f"{new['name']} here), so two independent samples",
    )


def _first_other(old: Sequence[str], new: Sequence[str]) -> str:
    """In what two lists of class names differ first."""
    if len(old) != len(new):
        return f"{len(old)} there, {len(new)} here"
    index = [a == b for a, b in zip(old, new, strict=True)].index(False)
    return f"class {index} is {old[index]!r} there, {new[index]!r} here"


def _refused(pair: Pair, why: str) -> Change:
    old, new = (file["accuracy"] and 100 * file["accuracy"]["top1"] for file in pair.both)
    return not_comparable(old, new, TOP1, "points", why)


def _paired(pair: Pair, data: Mapping[str, Any]) -> Change:
    before, after = (
        Answers(_whole(file["accuracy"]["predictions"], file["file"], data)) for file in pair.both
    )
    labels = _whole(data["labels"], "the labels", data)
    found = agree(before, after, labels, data["classes"])
    return Change.judged(
        100 * pair.old["accuracy"]["top1"],
        100 * pair.new["accuracy"]["top1"],
        TOP1,
        Estimate(found.difference, *found.interval).scaled(100),
        "points",
        f"the same {len(labels):,} images: {found.lost} lost, {found.won} won, "
        f"McNemar {probability(found.p)}",
        p=found.p,
    )


def _whole(packed: Mapping[str, Any], source: str, data: Mapping[str, Any]) -> Any:
    """Whole numbers [images], each of them one of the classes."""
    values = unpack(packed, source)
    if len(values) != data["images"]:
        raise InputError(
            f"{source}: {len(values)} answers for {data['images']} images; run nnc bench again"
        )
    if len(values) and int(values.max()) >= len(data["classes"]):
        raise InputError(
            f"{source}: an answer is class {values.max()} of {len(data['classes'])}; "
            "run nnc bench again"
        )
    return values
