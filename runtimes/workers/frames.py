"""Messages between the bench and its workers: a JSON header and raw bytes, length-prefixed."""

from __future__ import annotations

import json
import struct
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_frame", "write_frame"]

_LENGTHS = struct.Struct(">IQ")


def write_frame(
    stream: IO[bytes], header: Mapping[str, Any], payload: bytes | memoryview = b""
) -> None:
    """Send one message; OSError (BrokenPipeError) where nobody reads any more."""
    text = json.dumps(header).encode()
    size = payload.nbytes if isinstance(payload, memoryview) else len(payload)
    stream.write(_LENGTHS.pack(len(text), size))
    stream.write(text)
    stream.write(payload)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """The next message; EOFError where the other side has gone, also in the middle of one."""
    text_size, size = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    header: dict[str, Any] = json.loads(_exactly(stream, text_size))
    return header, _exactly(stream, size)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError(f"{len(data)} of {size} bytes")
    return data
