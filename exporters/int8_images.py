"""Calibration images, checked against the model that they are fed to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .int8_input import input_shape

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

__all__ = ["Batches", "FittingImages"]

Batches = Callable[[], "Iterator[np.ndarray[Any, Any]]"]


class FittingImages:
    """The first ``samples`` images of ``batches``, in batches of the size the model fixes, if any.

    Images that do not fill a last batch of a fixed size are left out. Each call goes through them
    again; ``count`` is how many they were.
    """

    def __init__(self, batches: Batches, model: ModelProto, samples: int, source: str) -> None:
        self._batches, self._samples, self._source = batches, samples, source
        self._fixed, *self._rest = input_shape(model, source)
        self.count = 0

    def __call__(self) -> Iterator[np.ndarray[Any, Any]]:
        """Float32 [N, C, H, W]; InputError where they are something else."""
        import numpy as np

        given = used = 0
        for offered in self._batches():
            batch = offered[: self._samples - given]
            given += len(batch)
            self._check(batch)
            size = self._fixed or max(len(batch), 1)
            for start in range(0, len(batch) - size + 1, size):
                yield np.ascontiguousarray(batch[start : start + size])
                used += size if self._fixed else len(batch)
            if given >= self._samples:
                break
        self.count = used

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
