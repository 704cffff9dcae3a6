"""Calibration images, checked against the model that they are fed to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from .input import input_shape

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

__all__ = ["Batches", "FittingImages"]

Batches = Callable[[], "Iterator[np.ndarray[Any, Any]]"]


class FittingImages:
    """The first ``samples`` images of ``batches``, in batches of the size the model fixes, if any.

    Images that do not fill a last batch of a fixed size are left out. Each call goes through them
    again; ``count`` is how many they were, those given first.
    """

    def __init__(self, batches: Batches, model: ModelProto, samples: int, source: str) -> None:
        self._batches, self._samples, self._source = batches, samples, source
        self._fixed, *self._rest = input_shape(model, source)
        self.count = 0

    def __call__(self) -> Iterator[np.ndarray[Any, Any]]:
        """Float32 [N, C, H, W]; InputError where they are something else, or fill no batch."""
        used = 0
        for batch in self._given() if self._fixed is None else self._regrouped(self._fixed):
            used += len(batch)
            yield batch
        self.count = used

    def _given(self) -> Iterator[np.ndarray[Any, Any]]:
        import numpy as np

        given = 0
        for offered in self._batches():
            batch = offered[: self._samples - given]
            given += len(batch)
            self._check(batch)
            if len(batch):
                yield np.ascontiguousarray(batch)
            if given >= self._samples:
                break

    def _regrouped(self, size: int) -> Iterator[np.ndarray[Any, Any]]:
        import numpy as np

        parts: list[np.ndarray[Any, Any]] = []
        held = batches = 0
        for given in self._given():
            start = 0
            while start < len(given):
                part = given[start : start + size - held]
                parts.append(part)
                start, held = start + len(part), held + len(part)
                if held == size:
                    yield np.concatenate(parts)
                    parts, held, batches = [], 0, batches + 1
        if not batches:
            mend = "raise --samples" if self._samples < size else "give more of them"
            raise InputError(
                f"{self._source} takes {size} images at a time, and {held} are there to calibrate "
                f"on; expected at least {size}: {mend}, or export it with a dynamic batch"
            )

    def _check(self, batch: np.ndarray[Any, Any]) -> None:
        import numpy as np

        if batch.dtype != np.float32 or batch.ndim != 4 or not _fits(batch.shape[1:], self._rest):
            expected = [size if size is not None else "any" for size in self._rest]
            raise InputError(
                f"calibration images {batch.dtype} {list(batch.shape)}; "
                f"{self._source} takes float32 [N, {', '.join(map(str, expected))}]"
            )


def _fits(shape: tuple[int, ...], expected: list[int | None]) -> bool:
    return all(want in (None, have) for have, want in zip(shape, expected, strict=True))
