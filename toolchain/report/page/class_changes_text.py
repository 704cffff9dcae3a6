"""What became of the answers, in words and a table: flips, worst class, changed confusions."""

from __future__ import annotations

from ..plain_text import one_line
from .files_view import FileView, chip
from .markup import Markup, tag
from .numbers import counted, percent, points
from .pictures.class_changes import change_of

__all__ = ["class_lines", "confusion_table"]


def class_lines(view: FileView) -> Markup:
    """How many answers flipped each way, and the classes that fare worst."""
    found, accuracy = view.entry["agreement"], view.entry["accuracy"]
    changed = counted(found["images"] - found["same"], "answer")
    lost, won, moved = (f"{found[key]:,}" for key in ("lost", "won", "moved"))
    flips = f"{lost} were right before, {won} are right now, {moved} moved between wrong ones"
    lines = [f"{changed} of {found['images']:,} changed: {flips}."]
    worst = min(found["per_class"], key=lambda entry: change_of(entry)[0])
    share, half = change_of(worst)
    if share < 0:
        sure = "" if abs(share) > half else ", which is not shown to be more than chance"
        lines.append(f"{one_line(worst['label'])} loses most: {points(share)} points{sure}.")
    if accuracy and accuracy["worst_class"]:
        hard = accuracy["worst_class"]
        right = percent(hard["correct"] / max(hard["images"], 1), 1)
        lines.append(f"{one_line(hard['label'])} is the hardest class: {right} right.")
    return tag("p", chip(view), " ", tag("b", view.name), ". ", " ".join(lines))


def confusion_table(view: FileView) -> Markup | None:
    """The pairs of classes that are mistaken for each other more or less often than before."""
    entries = view.entry["agreement"]["confusions"]
    if not entries:
        return None
    head = tag(
        "tr", [tag("th", title, scope="col") for title in ("is", "taken for", "before", "now")]
    )
    body = [
        tag(
            "tr",
            tag("td", one_line(one["label"])),
            tag("td", one_line(one["predicted"])),
            tag("td", f"{one['before']:,}"),
            tag("td", f"{one['after']:,}"),
        )
        for one in entries
    ]
    return tag(
        "div",
        tag("h4", "Confusions that changed most"),
        tag("table", tag("thead", head), tag("tbody", body), _class="plain words"),
    )
