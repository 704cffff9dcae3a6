"""What a file weighs: its bytes, zipped too, its MACs in int8, and what its zeros save."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .onnx_model.files import external_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .artifact import Artifact

__all__ = ["SizeFacts", "size_facts"]

_BLOCK = 1 << 20

_LEAST_ZEROS = 0.01
"""Of all parameters; fewer zeros are not worth a sentence."""

_LEAST_ROUNDED = 0.05
"""The same where weights are stored as int8: rounding alone makes a few in a hundred zero."""

_ITEM_BYTES = {
    "bfloat16": 2.0,
    "float16": 2.0,
    "float64": 8.0,
    "int16": 2.0,
    "int4": 0.5,
    "int8": 1.0,
    "uint16": 2.0,
    "uint4": 0.5,
    "uint8": 1.0,
}
"""What a stored weight takes, by its type; all others take 4 bytes."""


@dataclass(frozen=True)
class SizeFacts:
    """What a file weighs; None where it does not say."""

    size_bytes: int
    """On disk, external data of an ONNX file included."""
    zipped_bytes: int
    """Deflated as `zip` does, at its usual level 6, without the archive's headers."""
    parameters: int | None
    nonzero_parameters: int | None
    macs: int | None
    """Of one image."""
    int8_mac_share: float | None
    """Part of the MACs that are of 8-bit integers, as the file says."""
    zeros: str | None
    """A sentence on what zeros save; None where hardly any weight is zero."""

    def to_json(self) -> dict[str, Any]:
        """``size`` of a file in a bench result."""
        return {
            "bytes": self.size_bytes,
            "zipped_bytes": self.zipped_bytes,
            "parameters": self.parameters,
            "nonzero_parameters": self.nonzero_parameters,
            "macs": self.macs,
            "int8_mac_share": self.int8_mac_share,
            "zeros": self.zeros,
        }


def size_facts(artifact: Artifact) -> SizeFacts:
    """The facts of a file that `read_artifact` has read; reads it once more, in blocks, to zip it.

    A checkpoint computes in float. Of an engine the sidecar names its layers and what each computes
    in, but not its MACs: the share is told where all of them are alike.
    """
    files = [artifact.path]
    if artifact.kind == "onnx":
        files += external_files(artifact.path)
    return SizeFacts(
        size_bytes=artifact.size_bytes,
        zipped_bytes=_zipped(files),
        parameters=artifact.parameters,
        nonzero_parameters=artifact.nonzero_parameters,
        macs=artifact.macs,
        int8_mac_share=_int8_mac_share(artifact),
        zeros=_zeros(artifact),
    )


def _zipped(files: Iterable[Path]) -> int:
    size = 0
    for path in files:
        packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                size += len(packer.compress(block))
        size += len(packer.flush())
    return size


def _int8_mac_share(artifact: Artifact) -> float | None:
    layers = artifact.layers
    if artifact.kind == "engine":
        kinds = {layer.int8 for layer in layers}
        return float(kinds.pop()) if len(kinds) == 1 else None
    if not any(layer.int8 for layer in layers):
        return 0.0
    macs = [(layer.macs, layer.int8) for layer in layers]
    if any(count is None for count, _ in macs):
        return None
    total = sum(count or 0 for count, _ in macs)
    return sum(count or 0 for count, int8 in macs if int8) / total if total else 0.0


def _zeros(artifact: Artifact) -> str | None:
    every, nonzero = artifact.parameters, artifact.nonzero_parameters
    rounded = any(layer.dtype in ("int8", "uint8") for layer in artifact.layers)
    least = _LEAST_ROUNDED if rounded else _LEAST_ZEROS
    if not every or nonzero is None or every - nonzero < least * every:
        return None
    share = f"{_part(every - nonzero, every)} of {_part(every, every)} weights"
    if artifact.kind == "engine":
        return (
            f"{share} were zero in the ONNX file that it was built from and save nothing: all "
            "their MACs are computed"
        )
    stored = sum(layer.zeros * _ITEM_BYTES.get(layer.dtype, 4.0) for layer in artifact.layers)
    whole = sum(layer.whole_zeros for layer in artifact.layers)
    if whole < _LEAST_ZEROS * every:
        as_they_are, more = "", ""
    else:
        as_they_are = " as they are"
        more = f"; {_part(whole, every)} of them make up whole channels, {_remedy(artifact)}"
    return (
        f"{share} are zero and save nothing{as_they_are}: they take {_size(stored)} of the file "
        f"and all their MACs are computed{more}"
    )


def _remedy(artifact: Artifact) -> str:
    """What becomes of whole channels of zeros, by what the file is and how it was made."""
    if artifact.kind == "checkpoint":
        return "which nnc export takes out where nothing else needs them"
    if any(
        stage.name == "compact" or (stage.name == "export" and stage.settings.get("compact"))
        for stage in artifact.card.history
    ):
        return "which compaction left in for layers that need them or channel counts that run fast"
    if any(layer.int8 for layer in artifact.layers):
        return "which nnc compact takes out of the float file, before it is quantised"
    return "which nnc compact takes out where nothing else needs them"


def _part(count: int, every: int) -> str:
    """``count`` in the unit of ``every``: ``0.62 M`` of ``2.24 M``, ``225`` of ``1,303``."""
    for limit, sign in ((1e9, "G"), (1e6, "M")):
        if every >= limit:
            digits = 2 if every < 10 * limit else 1 if every < 100 * limit else 0
            return f"{count / limit:.{digits}f} {sign}"
    return f"{count:,}"


def _size(size: float) -> str:
    if size < 1000:
        return f"{size:.0f} bytes"
    return f"{size / 1e3:.1f} kB" if size < 100_000 else f"{size / 1e6:.2f} MB"
