"""What a compaction did, as lines of text: before, after, and what stayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .plain_text import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...exporters.channels.groups import Unprunable
    from ...exporters.onnx_compact import CompactResult

__all__ = ["compaction_lines", "unprunable_lines"]

_SHAPED = {
    "global_pool": "means over the image that became a pooling: {}",
    "single_pixel": "means and poolings over a single pixel that went: {}",
    "shuffle": "channel shuffles compiled away: {}",
}

_MOST_LINES = 8
_MOST_NAMES = 3


def compaction_lines(result: CompactResult) -> Iterator[str]:
    """The figures before and after, the difference of the outputs, and what could be better."""
    before, after = result.before, result.after
    rows = (
        ("parameters", before.parameters, after.parameters),
        ("non-zero", before.nonzero_parameters, after.nonzero_parameters),
        ("MACs", before.macs, after.macs),
        ("bytes", before.size_bytes, after.size_bytes),
    )
    yield f"{'':<12}{'before':>16}{'after':>16}"
    for name, first, second in rows:
        share = f"{second / first:>9.1%}" if first and second is not None else ""
        yield f"{name:<12}{_whole(first):>16}{_whole(second):>16}{share}"
    narrower = f"narrower layers: {len(result.removed)}"
    if result.max_abs_difference is None or result.max_relative_difference is None:
        yield f"the outputs are no floating-point numbers, so they were not compared; {narrower}"
    else:
        yield (
            f"largest output difference {result.max_abs_difference:.2g} "
            f"({result.max_relative_difference:.2g} relative{_scaled(result)}), {narrower}"
        )
    if result.spared:
        yield f"{result.spared} dead channels stay, so that layers keep the multiple asked for"
    elif not result.removed and not result.zeroed:
        yield "no dead channel or neuron found" + (
            "" if result.shaped else "; the graph is as it was"
        )
    if result.shaped:
        yield "; ".join(_SHAPED[name].format(n) for name, n in result.shaped.items())
    if result.zeroed:
        held = sum(cut.before - cut.after for cut in result.zeroed)
        yield (
            f"{held} filters or neurons of zeros stay in {len(result.zeroed)} layers "
            f"({_names([cut.layer for cut in result.zeroed])}): a sum with a live channel, an "
            "output, a shared parameter or an operator behind them needs the channel"
        )
    if result.odd_layers and result.round_to % 8:
        yield (
            f"pruned layers whose channel count is no multiple of 8: {result.odd_layers}; ONNX "
            "Runtime computes these slowly on CPU, and --round-to 8 makes a larger, faster file"
        )
    elif result.odd_layers:
        odd = [f"{cut.layer}: {cut.after}" for cut in result.removed if cut.after % 8]
        yield (
            f"pruned layers whose channel count is no multiple of 8 even so: {result.odd_layers} "
            f"({_names(odd)}); a depthwise layer has as many channels as the parts of other layers "
            "put together before it"
        )
    yield from unprunable_lines(result.unprunable)


def _scaled(result: CompactResult) -> str:
    """Where larger random inputs would have shown no more than the model's own rounding."""
    if result.input_scale == 1:
        return ""
    return f", on random inputs of standard deviation {result.input_scale:g}"


def unprunable_lines(unprunable: Sequence[Unprunable]) -> Iterator[str]:
    """One line for each operator that channels could not be followed through."""
    for one in unprunable[:_MOST_LINES]:
        yield str(one)
    if len(unprunable) > _MOST_LINES:
        more = unprunable[_MOST_LINES:]
        channels = sum(one.channels for one in more)
        yield f"{count(channels)} channels more at {len(more)} other operators"


def _names(names: Sequence[str]) -> str:
    return ", ".join([*names[:_MOST_NAMES], *["…"] * (len(names) > _MOST_NAMES)])


def _whole(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"
