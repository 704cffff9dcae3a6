"""What a library said of its failure, short enough for one line of ours."""

from __future__ import annotations

import re

__all__ = ["short_reason"]

_LONGEST = 240
_SOURCE = re.compile(r"^/\S+\.(?:cc|h|cpp):\d+ .*?\) ")
"""Where in its own source ONNX Runtime met the fault."""


def short_reason(error: Exception | str) -> str:
    """A message in one line of bounded length, without ONNX Runtime's prefix and positions."""
    text = " ".join(str(error).split())
    if text.startswith("[ONNXRuntimeError]"):
        text = text.split(" : ", 3)[-1]
        text = _SOURCE.sub("", text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
