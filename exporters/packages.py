"""Packages that a step needs and an environment may lack."""

from __future__ import annotations

import importlib.util

from ..errors import MissingError
from ..runtimes.install import install_command

__all__ = ["need"]


def need(step: str, *packages: str) -> None:
    """Raise MissingError, with the command that installs it, for the first package not there."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            extra = "cpu" if package == "onnxruntime" else "train"
            name = "ONNX Runtime" if package == "onnxruntime" else package
            raise MissingError(
                f"{step} needs {name}, which is not installed; "
                f"install it with: {install_command(extra)}"
            )
