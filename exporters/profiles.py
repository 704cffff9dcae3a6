"""Which integer types suit which int8 kernels: those of ONNX Runtime by CPU, those of TensorRT."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..errors import InputError
from ..runtimes.cpu import int8_target
from .calibration.grid import SIGNED, UNSIGNED, Grid

__all__ = ["PROFILES", "TARGETS", "TENSORRT", "Profile", "choose_profile"]


@dataclass(frozen=True)
class Profile:
    """Types of an int8 file: per-tensor activations, symmetric per-channel weights."""

    name: str
    signed_activations: bool
    reduce_range: bool
    """Keep weights within 7 bits, so that the sum of two u8*s8 products fits int16."""

    symmetric: bool = False
    """Activations, too, have their zero at the integer 0."""

    @property
    def weight_limit(self) -> int:
        """The greatest integer that a weight becomes; the least is its negative."""
        return 64 if self.reduce_range else 127

    @property
    def grid(self) -> Grid:
        """The integers an activation may take."""
        if self.symmetric:
            return Grid(SIGNED.lowest, SIGNED.highest, symmetric=True)
        return SIGNED if self.signed_activations else UNSIGNED


PROFILES: dict[str, Profile] = {
    # Without VNNI the x86 kernels add pairs of u8*s8 products in saturating int16 (vpmaddubsw):
    # 8-bit weights overflow it, 7-bit weights cannot.
    "avx2": Profile("avx2", signed_activations=False, reduce_range=True),
    "vnni": Profile("vnni", signed_activations=False, reduce_range=False),
    "arm64": Profile("arm64", signed_activations=True, reduce_range=False),
}

TARGETS: tuple[str, ...] = ("auto", *PROFILES)

TENSORRT = Profile("tensorrt", signed_activations=True, reduce_range=False, symmetric=True)
"""Explicit quantisation as TensorRT takes it: no zero points."""


def choose_profile(target: str, instruction_sets: Collection[str], machine: str) -> Profile:
    """The profile for ``target``; ``auto`` goes by this CPU's instruction sets and machine name.

    Raises InputError for an unknown target.
    """
    if target != "auto":
        if target not in PROFILES:
            raise InputError(f"unknown target '{target}': expected one of {', '.join(TARGETS)}")
        return PROFILES[target]
    return PROFILES[int8_target(instruction_sets, machine)]
