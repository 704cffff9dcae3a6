"""Inside a child process: messages answered over its standard input, until the parent goes."""

from __future__ import annotations

import os
import signal
import traceback
from typing import IO, TYPE_CHECKING, Any

from ...errors import NncError
from .frames import read_frame, write_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Reply", "serve"]

Reply = tuple[dict[str, Any], "bytes | memoryview"]


def serve(
    commands: Mapping[str, Callable[..., Reply]], *, out_of_memory: Callable[[], str]
) -> None:
    """Serve messages until the parent says ``close`` or goes away.

    A command is called with the message's payload and its settings by name. Errors travel by
    class name, bugs with their traceback, and want of memory as ``out_of_memory()``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    requests, replies = _own_pipes()
    try:
        while True:
            header, payload = read_frame(requests)
            command = header.pop("command")
            if command == "close":
                break
            write_frame(replies, *_answer(commands[command], header, payload, out_of_memory))
    except (EOFError, BrokenPipeError):
        pass


def _answer(
    handler: Callable[..., Reply],
    header: dict[str, Any],
    payload: bytes,
    out_of_memory: Callable[[], str],
) -> Reply:
    try:
        return handler(payload, **header)
    except NncError as error:
        return {"error": type(error).__name__, "message": str(error)}, b""
    except MemoryError:
        return {"error": "NncError", "message": out_of_memory()}, b""
    except Exception:  # noqa: BLE001 - handed on to the parent, which raises it
        return {"error": "", "message": traceback.format_exc()}, b""


def _own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Move the messages off descriptors 0 and 1, so that nothing a library prints joins them."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")
