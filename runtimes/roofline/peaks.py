"""What this machine can do at best: the roof of the roofline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..base import check_place
from ..workers.child_process import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Peak", "measure_peaks"]

_SUBJECT = Path("this machine's peaks")
"""What messages about the measuring process name in place of a file."""

_ANYWHERE: Mapping[int, Sequence[int] | None] = MappingProxyType({})


@dataclass(frozen=True)
class Peak:
    """The machine's peaks with a number of threads, each the best of many short runs."""

    threads: int
    flops_per_s: float
    """Float32 operations a second of a matrix product; one multiply-accumulate is two."""
    bytes_per_s: float
    """Bytes a second, read and written, of copies that no cache holds."""
    int8_ops_per_s: float | None = None
    """Operations a second of a product of 8-bit integers; None where it was not measured."""
    cache_bytes: int | None = None
    """Size of the last-level caches; None, with its speed, where the system does not tell."""
    cache_bytes_per_s: float | None = None
    """As ``bytes_per_s``, of copies within half of these caches."""

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return asdict(self)


def measure_peaks(
    threads: Sequence[int],
    *,
    cpus: Mapping[int, Sequence[int] | None] = _ANYWHERE,
    seconds: float = 0.3,
) -> tuple[Peak, ...]:
    """This machine's peaks with each of ``threads``, each of them the best in ``seconds``.

    They are measured in a fresh process for each number of threads, which does not survive;
    ``cpus`` says for a number of threads which CPUs that process is bound to. Raises InputError for
    an impossible number, MissingError where ONNX Runtime is not installed.
    """
    for count in threads:
        check_place("cpu", count)
    return tuple(_measure(count, cpus.get(count), seconds) for count in threads)


def _measure(threads: int, cpus: Sequence[int] | None, seconds: float) -> Peak:
    bound = None if cpus is None else list(cpus)
    with ChildProcess("runtimes.roofline.child", _SUBJECT, threads=threads) as child:
        found, _ = child.ask("peak", threads=threads, cpus=bound, seconds=seconds)
    return Peak(threads=threads, **found)
