"""What ``nnc bench --self-check`` does not take: options that would be ignored are refused."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from ...errors import InputError

__all__ = ["check_self_check_options"]

BUDGETS = ("max_drop", "max_latency_ms", "max_size_mb", "min_speedup", "lenient")
OTHERS = ("data", "data_dir", "images", "profile", "torch_compile")


def check_self_check_options() -> None:
    """Raise InputError where the command line names what a self-check has no use for."""
    context = click.get_current_context()
    if any(_told(context, name) for name in BUDGETS):
        raise InputError("--self-check has no budgets; leave them out")
    found = [f"--{name.replace('_', '-')}" for name in OTHERS if _told(context, name)]
    if found:
        raise InputError(f"--self-check times one file alone; leave out {', '.join(found)}")
    several: tuple[tuple[str, Any], ...] = (
        ("--threads", context.params["threads"]),
        ("--batch-size", context.params["batch_sizes"]),
        ("--device", context.params["device"].split(",")),
    )
    for option, values in several:
        if len(values) > 1:
            raise InputError(f"--self-check takes one {option}; found {','.join(map(str, values))}")


def _told(context: click.Context, name: str) -> bool:
    """Whether an option stands on the command line, not in the environment or by default."""
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE
