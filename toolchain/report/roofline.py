"""A file's roofline in lines for the terminal, from the ``profile`` of ``nnc bench``'s JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .plain_text import byte_size, count, digits, one_line

__all__ = ["conclusion", "heaviest", "roofline_lines"]

_SHOWN = 10
_HALF = 0.5
_MUCH = 0.1
"""The share of time outside all layers that is worth a word."""
_NEAR = 0.05
_APART = 0.2
"""The difference between the layers' times and the whole's that is worth a word."""
_LEAST_NAME = 24
_GAP = "  "
_LEFT = ("layer", "op")
"""Columns of text; all others are figures, to the right."""
_SPARED = ("op", "moved", "MACs")
"""Columns left out where there is no room, the first first."""

_Layer = Mapping[str, Any]
_Profile = Mapping[str, Any]


def roofline_lines(profile: _Profile, width: int = 100) -> Iterator[str]:
    """The layers that hold most of the time, or of the limit if they were not timed; and a verdict.

    Where ``width`` columns are too few some figures are left out, and long names shortened in the
    middle.
    """
    shown = heaviest(profile)
    whole = _whole(profile)
    columns = _columns([_cells(layer, profile, whole) for layer in shown], width)
    for line in zip(*columns, strict=True):
        yield _GAP.join(line).rstrip()
    if len(shown) < len(profile["layers"]):
        yield f"and {len(profile['layers']) - len(shown)} more"
    yield conclusion(profile)


def heaviest(profile: _Profile, most: int = _SHOWN) -> list[_Layer]:
    """The layers that hold most of the time, or of the limit where they were not timed."""
    key = _key(profile)
    return sorted(profile["layers"], key=lambda layer: layer[key] or 0.0, reverse=True)[:most]


def conclusion(profile: _Profile) -> str:
    """One sentence: how far from the limit, and where the time goes."""
    return f"{_distance(profile)}: {_where(profile)}"


def _distance(profile: _Profile) -> str:
    limit, attained = profile["limit_ms"], profile["attained"]
    measured = digits(profile["measured_ms"])
    if not limit or not attained:
        return f"{measured} ms; what is possible cannot be told"
    between = f"{measured} ms measured, {digits(limit)} ms at best"
    if attained > 1 + _NEAR:
        return f"faster than the limit ({between}; the caches serve it better than reckoned)"
    if attained > 1 - _NEAR:
        return f"at the limit ({between})"
    return f"{1 / attained:.2g} times the limit ({between})"


def _where(profile: _Profile) -> str:
    """Which layers hold half of the time, and what bounds them."""
    key, whole = _key(profile), _whole(profile)
    if not whole:
        return "no layer has anything to compute or to move"
    layers = [layer for layer in profile["layers"] if layer["op"]]
    chosen: list[_Layer] = []
    held = 0.0
    for layer in heaviest({**profile, "layers": layers}, len(layers)):
        chosen.append(layer)
        held += (layer[key] or 0.0) / whole
        if held >= _HALF:
            break
    what = "time" if key == "ms" else "limit"
    verb = "takes" if len(chosen) == 1 else "take"
    text = f"{len(chosen)} of {len(layers)} layers {verb} {100 * held:.0f} % of the {what}"
    text += f", {_bounds(chosen)}"
    other = sum(layer[key] or 0.0 for layer in profile["layers"] if not layer["op"]) / whole
    if other >= _MUCH:
        text += f"; {100 * other:.0f} % in changes of layout"
    if key == "ms" and abs(whole - profile["measured_ms"]) > _APART * profile["measured_ms"]:
        text += f"; timed apart, the layers add up to {digits(whole)} ms"
    return text


def _bounds(layers: Sequence[_Layer]) -> str:
    counts = Counter(layer["limit"] for layer in layers)
    names = {"compute": "compute-bound", "memory": "memory-bound", None: "of unknown bounds"}
    if len(counts) == 1:
        every = "all " if len(layers) > 1 else ""
        return every + names[next(iter(counts))]
    return " and ".join(f"{number} {names[limit]}" for limit, number in counts.most_common())


def _cells(layer: _Layer, profile: _Profile, whole: float) -> dict[str, str]:
    """One row, by the title of its column."""
    key = _key(profile)
    limit = layer["limit_ms"]
    is_layer = bool(layer["op"])
    cells = {
        "layer": one_line(layer["name"]),
        "op": one_line(layer["op"]) + (" int8" if layer["int8"] else ""),
        "MACs": count(layer["macs"]) if layer["macs"] else "",
        "moved": byte_size(layer["bytes"]) if layer["bytes"] else "",
        "limit ms": "?" if limit is None else digits(limit) if is_layer else "",
        "bound by": layer["limit"] or "",
    }
    if key == "ms":
        cells["ms"] = digits(layer["ms"] or 0.0)
    cells["share"] = f"{100 * (layer[key] or 0.0) / whole:.1f} %" if whole else ""
    if key == "ms":
        cells["x limit"] = f"{(layer['ms'] or 0.0) / limit:.1f}x" if limit else ""
    return cells


def _columns(rows: Sequence[Mapping[str, str]], width: int) -> list[list[str]]:
    """The cells of each column, padded, its title first."""
    columns = {title: [title, *(row[title] for row in rows)] for title in (rows[0] if rows else ())}
    for spared in (*_SPARED, ""):
        sizes = {title: max(map(len, column)) for title, column in columns.items()}
        name = width - sum(sizes.values()) + sizes.get("layer", 0) - len(_GAP) * (len(sizes) - 1)
        if name >= min(_LEAST_NAME, sizes.get("layer", 0)):
            break
        columns.pop(spared, None)
    sizes["layer"] = min(sizes.get("layer", 0), max(_LEAST_NAME // 2, name))
    return [
        [
            _shortened(text, sizes[title]).ljust(sizes[title])
            if title in _LEFT
            else text.rjust(sizes[title])
            for text in column
        ]
        for title, column in columns.items()
    ]


def _shortened(name: str, width: int) -> str:
    if len(name) <= width:
        return name
    front = (width - 1) // 2
    return f"{name[:front]}…{name[len(name) - (width - 1 - front) :]}"


def _key(profile: _Profile) -> str:
    """What layers are weighed by: their times, or their limits if they were not timed."""
    timed = any(layer["ms"] is not None for layer in profile["layers"])
    return "ms" if timed else "limit_ms"


def _whole(profile: _Profile) -> float:
    key = _key(profile)
    return sum(float(layer[key] or 0.0) for layer in profile["layers"])
