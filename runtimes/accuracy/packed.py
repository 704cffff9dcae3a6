"""Whole numbers, one an image, as a short JSON object: base64 of their compressed bytes."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["MOST_VALUES", "pack", "unpack"]

MOST_VALUES = 1 << 24
"""More are neither written nor read: a small file could claim any number of them."""

_ITEM_BYTES = {"uint8": 1, "uint16": 2, "uint32": 4}
"""Types by name, smallest first."""


def pack(values: Any) -> dict[str, Any]:
    """``values``, whole numbers [N] from 0 to 2**32 - 1, in the smallest type that holds them.

    The object is ``{"dtype", "count", "data"}``, with base64 of zlib of the little-endian values.
    Raises InputError for more than `MOST_VALUES`, ValueError for what is no such number.
    """
    import numpy as np

    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "biu"):
        raise ValueError(f"packed values are whole numbers [N], not {array.dtype} {array.shape}")
    if array.size > MOST_VALUES:
        raise InputError(
            f"{array.size:,} images; a result holds the answers for {MOST_VALUES:,} at most; "
            "pass --images with fewer"
        )
    least, most = (int(array.min()), int(array.max())) if array.size else (0, 0)
    fitting = [name for name, size in _ITEM_BYTES.items() if most < 1 << 8 * size]
    if least < 0 or not fitting:
        raise ValueError(f"packed values are from 0 to 2**32 - 1, not {least} to {most}")
    dtype = fitting[0]
    data = array.astype(np.dtype(dtype).newbyteorder("<")).tobytes()
    return {
        "dtype": dtype,
        "count": int(array.size),
        "data": base64.b64encode(zlib.compress(data, 9)).decode("ascii"),
    }


def unpack(value: Any, source: str) -> np.ndarray[Any, Any]:
    """The values of a packed object, as int64 [N]; ``source`` names it in messages.

    Raises InputError for anything that `pack` would not write. Never more is inflated than
    ``count`` says, and ``count`` is `MOST_VALUES` at most.
    """
    import numpy as np

    if not isinstance(value, dict):
        raise _damaged(source, f"found {type(value).__name__}, expected an object")
    dtype, count, text = (value.get(key) for key in ("dtype", "count", "data"))
    if not isinstance(dtype, str) or dtype not in _ITEM_BYTES:
        raise _damaged(source, f"dtype {dtype!r:.40}, expected one of {', '.join(_ITEM_BYTES)}")
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST_VALUES:
        raise _damaged(source, f"count {count!r:.40}, expected a whole number up to {MOST_VALUES}")
    if not isinstance(text, str):
        raise _damaged(source, f"data is {type(text).__name__}, expected base64 of zlib")
    size = count * _ITEM_BYTES[dtype]
    stream = zlib.decompressobj()
    try:
        # One byte over, so that a stream that goes on is told from one that ends; 0 is no limit.
        data = stream.decompress(base64.b64decode(text, validate=True), size + 1)
    except (ValueError, zlib.error) as error:  # binascii's error is a ValueError
        raise _damaged(source, f"data is no base64 of zlib ({error})") from error
    if len(data) != size or not stream.eof or stream.unused_data:
        raise _damaged(source, f"data does not hold just {count} values of {dtype}")
    return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(np.int64)


def _damaged(source: str, problem: str) -> InputError:
    return InputError(f"{source}: damaged packed values: {problem}; run nnc bench again")
