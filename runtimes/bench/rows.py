"""The rows of a bench: each file on each device, and checkpoints compiled as well as eager."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..registry import find_runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..artifact import Artifact
    from ..base import RuntimeOptions

__all__ = ["BenchRow", "bench_rows"]


@dataclass(frozen=True)
class BenchRow:
    """One file as it is measured."""

    artifact: Artifact
    device: str
    options: RuntimeOptions


def bench_rows(
    artifacts: Sequence[Artifact],
    devices: Sequence[str],
    options: RuntimeOptions,
    *,
    torch_compile: bool,
) -> tuple[BenchRow, ...]:
    """All rows, in the order of ``devices`` and then of the files; the first is the baseline.

    A file that runs on one kind of device alone has one row. With ``torch_compile`` a checkpoint's
    row is followed by one of the same network compiled.
    """
    rows: dict[tuple[str, str, bool], BenchRow] = {}
    for device in devices:
        for artifact in artifacts:
            place = find_runtime(artifact.path).device(device)
            twice = torch_compile and artifact.kind == "checkpoint"
            for compiled in (False, True) if twice else (False,):
                row = BenchRow(artifact, place, replace(options, compiled=compiled))
                rows.setdefault((str(artifact.path), place, compiled), row)
    return tuple(rows.values())
