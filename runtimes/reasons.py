"""What a library said of its failure, short enough for one line of ours."""

from __future__ import annotations

__all__ = ["short_reason"]

_LONGEST = 240


def short_reason(error: Exception | str) -> str:
    """A message in one line of bounded length, without ONNX Runtime's prefix and positions."""
    text = " ".join(str(error).split())
    if text.startswith("[ONNXRuntimeError]"):
        text = text.split(" : ", 3)[-1]
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
