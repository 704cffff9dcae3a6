"""Calibration images that cannot tell a range are refused: none, constant ones, all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Checked"]


class Checked:
    """Watches batches pass by; only the first image is kept."""

    def __init__(self) -> None:
        self._images = 0
        self._first: Array | None = None
        self._differ = False
        self._structured = False

    def through(self, batches: Iterable[Array]) -> Iterator[Array]:
        """The same batches, looked at. Raises InputError for what is no float32 [N, C, H, W]."""
        import numpy as np

        for batch in batches:
            if batch.dtype != np.float32 or batch.ndim != 4:
                raise InputError(
                    f"calibration images {batch.dtype} {list(batch.shape)}; "
                    "expected float32 [N, C, H, W]"
                )
            self._images += len(batch)
            if len(batch) and self._first is None:
                self._first = batch[0].copy()
            if self._first is not None and not self._differ:
                self._differ = not bool((batch == self._first).all())
            if not self._structured:
                self._structured = bool((batch != batch[:, :, :1, :1]).any())
            yield batch

    def refuse_constant(self) -> None:
        """Raise InputError where no image has two different pixels, or all images are the same."""
        if self._structured and (self._differ or self._images == 1):
            return
        if self._structured:
            raise InputError(
                f"all {self._images} calibration images are the same; "
                "expected images as the network will meet them"
            )
        if self._first is not None and self._first[0].size == 1 and self._differ:
            return  # images of a single pixel differ only from one another
        raise InputError(
            f"the calibration images ({self._images}) are constant, each of one colour; "
            "expected images as the network will meet them"
        )

    def none_fitted(self) -> str:
        """The message for a set of which no image could be used."""
        if not self._images:
            return "no calibration images: expected at least one; raise --samples"
        return (
            f"{self._images} calibration image(s) do not fill one batch of the size that the "
            "model fixes; raise --samples, or export with a dynamic batch"
        )
