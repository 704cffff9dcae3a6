"""What an interrupted fit leaves behind, so that the next run goes on where it stopped."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ...models.checkpoint import save_tensors
from ...whole_files import write_whole

__all__ = ["ResumeFile"]

_log = logging.getLogger(__name__)


class ResumeFile:
    """Tensors and a few numbers beside the output, written whole after every epoch.

    ``fingerprint`` says which fit it belongs to; a file of another fit is not used. It is a
    safetensors file: nothing in it is ever executed.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._fingerprint = fingerprint

    @classmethod
    def beside(cls, output: Path, fingerprint: str) -> ResumeFile:
        """The resume file of ``output``: the same name with ``.resume`` appended."""
        return cls(output.with_name(f"{output.name}.resume"), fingerprint)

    def read(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """Tensors and numbers of the interrupted fit; None where there is none of this kind."""
        from safetensors import SafetensorError, safe_open

        if not self._path.is_file():
            return None
        try:
            with safe_open(self._path, framework="pt") as handle:
                numbers = json.loads((handle.metadata() or {})["nnc.resume"])
                if numbers["fingerprint"] != self._fingerprint:
                    _log.warning("%s is of another run; starting anew", self._path)
                    return None
                return {name: handle.get_tensor(name) for name in handle.keys()}, numbers  # noqa: SIM118
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s is unusable (%s); starting anew", self._path, error)
            return None

    def write(self, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, Any]) -> None:
        """Replace the file."""
        header = json.dumps({**numbers, "fingerprint": self._fingerprint})
        kept = {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in tensors.items()
        }
        with write_whole(self._path, overwrite=True) as temporary:
            save_tensors(kept, temporary, {"nnc.resume": header})

    def remove(self) -> None:
        """Forget the fit, once its result is safely written."""
        with suppress(OSError):
            self._path.unlink()
