"""TensorRT's timing cache: kept per flavour, version and GPU, so that a second build is faster."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from ...errors import NncError
from ...whole_files import write_whole

__all__ = ["Timings"]

log = logging.getLogger(__name__)


class Timings:
    """The timings of one library on one GPU, in a file. Nothing here is a reason to fail."""

    def __init__(self, flavour: str, version: str, gpu: str, folder: Path | None = None) -> None:
        """``folder`` is the user's cache folder where none is given."""
        if folder is None:
            from platformdirs import user_cache_path

            folder = user_cache_path("nnc") / "tensorrt"
        name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{flavour}-{version}-{gpu}").strip("-")
        self.path = folder / f"{name}.timings"

    def read(self) -> bytes:
        """What was kept; empty where there is nothing."""
        try:
            return self.path.read_bytes()
        except OSError:
            return b""

    def keep(self, data: bytes) -> None:
        """Replace what was kept, whole or not at all."""
        if not data:
            return
        try:
            with write_whole(self.path, overwrite=True) as temporary:
                temporary.write_bytes(data)
        except NncError as error:
            log.warning("the timings of this build are not kept: %s", error)
