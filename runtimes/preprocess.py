"""From pixels to the tensor a network takes: the one place where images are normalised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from ..model_card import InputSpec

__all__ = ["normalise"]


def normalise(images: np.ndarray[Any, Any], spec: InputSpec) -> np.ndarray[Any, Any]:
    """Scale pixels to ``(p / 255 - mean) / std``, per channel.

    Takes uint8 [N, H, W, C] of the size and channels in ``spec``, returns contiguous float32
    [N, C, H, W] that shares nothing with ``images``. Raises InputError for another dtype or shape.
    """
    import numpy as np

    expected = (spec.height, spec.width, spec.channels)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != expected:
        raise InputError(
            f"images {images.dtype} {list(images.shape)}: expected uint8 "
            f"[N, {spec.height}, {spec.width}, {spec.channels}] (height, width, channels)"
        )
    batch = np.empty((len(images), spec.channels, spec.height, spec.width), np.float32)
    batch[...] = images.transpose(0, 3, 1, 2)
    batch /= np.float32(255)
    batch -= np.asarray(spec.mean, np.float32)[:, None, None]
    batch /= np.asarray(spec.std, np.float32)[:, None, None]
    return batch
