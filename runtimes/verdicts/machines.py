"""Whether two results were measured on one machine, and in what their machines differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["machine_differences", "same_machine", "version_changes"]

Environment = Mapping[str, Any]

NO_MACHINE = ("versions", "machine", "python")
"""Entries of the environment that say nothing of the machine itself, or not in words."""

_OF_THE_CPU = ("cpu", "architecture", "instruction_sets")


def same_machine(old: Environment, new: Environment) -> bool:
    """Whether both results name the same machine and the same CPU; False where either names none.

    Machines without an id of their own, such as containers, may have one name in common.
    """
    named = old.get("machine") is not None and old.get("machine") == new.get("machine")
    return named and all(old.get(entry) == new.get(entry) for entry in _OF_THE_CPU)


def machine_differences(old: Environment, new: Environment) -> tuple[str, ...]:
    """Lines such as ``cpu: A there, B here``; one that says so where nothing else tells."""
    first, second = _flat(old), _flat(new)
    lines = tuple(
        f"{name.replace('_', ' ')}: {first.get(name, 'unknown')} there, "
        f"{second.get(name, 'unknown')} here"
        for name in dict.fromkeys((*first, *second))
        if first.get(name) != second.get(name)
    )
    return lines or ("the machines look alike, but their identities differ",)


def version_changes(old: Environment, new: Environment) -> tuple[str, ...]:
    """Lines such as ``onnxruntime 1.31 there, 1.32 here``."""
    first, second = (
        versions if isinstance(versions := one.get("versions"), Mapping) else {}
        for one in (old, new)
    )
    return tuple(
        f"{name} {first.get(name, 'missing')} there, {second.get(name, 'missing')} here"
        for name in dict.fromkeys((*first, *second))
        if first.get(name) != second.get(name)
    )


def _flat(environment: Environment) -> dict[str, str]:
    return dict(_entries(environment, ""))


def _entries(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if name or key not in NO_MACHINE:
                yield from _entries(item, f"{name} {key}" if name else str(key))
    elif isinstance(value, list):
        yield name, " ".join(str(item) for item in value) or "none"
    else:
        yield name, "unknown" if value is None else str(value)
