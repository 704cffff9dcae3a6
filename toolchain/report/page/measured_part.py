"""How the figures were measured: the machine, the settings, the commands to make them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..plain_text import one_line
from .blocks import command_blocks, facts, folded, section
from .markup import Markup, join, tag
from .subject import Subject

__all__ = ["WORDS", "machine_facts", "measured_part", "noise_badge", "when"]

WORDS = {"quiet": "quiet", "noisy": "noisy", "unknown": "not known"}


def measured_part(subject: Subject) -> Markup | None:
    """The noise, the environment and the commands that made the result."""
    bench = subject.bench
    return section(
        "How it was measured",
        None if bench is None else _noise(bench["noise"]),
        None if bench is None else facts(_settings(bench)),
        None
        if bench is None
        else folded("The machine", facts(machine_facts(bench["environment"]))),
        tag("h4", "To measure it again") if subject.commands else None,
        command_blocks(subject.commands),
    )


def _noise(noise: Mapping[str, Any]) -> Markup:
    shares = [
        f"{100 * noise[key]:.1f} % {words}"
        for key, words in (
            ("steal", "taken by the hypervisor"),
            ("waiting", "spent waiting for a core"),
        )
        if noise[key] is not None
    ]
    reasons = [tag("li", one_line(line)) for line in noise["reasons"]]
    return join(
        tag("p", noise_badge(noise), f" {'; '.join(shares)}." if shares else ""),
        tag("ul", reasons, _class="warnings") if reasons else None,
    )


def noise_badge(noise: Mapping[str, Any]) -> Markup:
    """Whether the machine was quiet enough to trust the times."""
    verdict = noise["verdict"]
    return tag("span", f"machine: {WORDS[verdict]}", _class=f"badge noise-{verdict}")


def _settings(bench: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    told = bench["settings"]
    yield "measured", f"{when(bench)}, nnc {one_line(bench['nnc'])}"
    yield "device", " ".join(filter(None, (one_line(told["device"]), told["provider"])))
    yield "threads", ", ".join(map(str, told["threads"]))
    yield "batch sizes", ", ".join(map(str, told["batch_sizes"]))
    yield "rounds", f"{told['rounds']} in {told['launches']} launches, seed {told['seed']}"
    yield "timed", f"{told['seconds']:g} s a file"
    if told["cpus"]:
        cores = "core" if len(told["cpus"]) == 1 else "cores"
        yield "pinned to", f"{cores} {', '.join(map(str, told['cpus']))}"
    if bench["data"]:
        data = bench["data"]
        yield "test images", f"{data['images']:,} of {one_line(data['name'])}"


def when(bench: Mapping[str, Any]) -> str:
    """``2026-11-25 19:30 UTC``; as it is where it was not written by nnc."""
    text = one_line(bench["created"])
    if len(text) == len("2026-11-25T19:30:00Z") and text.endswith("Z"):
        return f"{text[:10]} {text[11:16]} UTC"
    return text


def machine_facts(environment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is known of the machine and its packages, one line each."""
    for name, value in environment.items():
        text = _flat(name, value)
        if text:
            yield one_line(name.removesuffix("_bytes").replace("_", " ")), one_line(text)


def _flat(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(key, item)}" for key, item in value.items() if item)
    if isinstance(value, list):
        return ", ".join(_flat(name, item) for item in value)
    if name == "memory_bytes" and isinstance(value, (int, float)):
        return f"{value / 1e9:.1f} GB"
    return "" if value is None else str(value)
