"""Which integer types suit which CPU's int8 kernels in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..errors import InputError
from .calibration.grid import SIGNED, UNSIGNED, Grid

__all__ = ["PROFILES", "TARGETS", "Profile", "choose_profile"]


@dataclass(frozen=True)
class Profile:
    """Types of an int8 file: asymmetric per-tensor activations, symmetric per-channel weights."""

    name: str
    signed_activations: bool
    reduce_range: bool
    """Keep weights within 7 bits, so that the sum of two u8*s8 products fits int16."""

    @property
    def grid(self) -> Grid:
        """The integers an activation may take."""
        return SIGNED if self.signed_activations else UNSIGNED


PROFILES: dict[str, Profile] = {
    # Without VNNI the x86 kernels add pairs of u8*s8 products in saturating int16 (vpmaddubsw):
    # 8-bit weights overflow it, 7-bit weights cannot.
    "avx2": Profile("avx2", signed_activations=False, reduce_range=True),
    "vnni": Profile("vnni", signed_activations=False, reduce_range=False),
    "arm64": Profile("arm64", signed_activations=True, reduce_range=False),
}

TARGETS: tuple[str, ...] = ("auto", *PROFILES)

_VNNI = {"vnni", "avx_vnni", "avxvnni", "avx512_vnni", "avx512vnni"}


def choose_profile(target: str, instruction_sets: Collection[str], machine: str) -> Profile:
    """The profile for ``target``; ``auto`` goes by this CPU's instruction sets and machine name.

    Raises InputError for an unknown target.
    """
    if target != "auto":
        if target not in PROFILES:
            raise InputError(f"unknown target '{target}': expected one of {', '.join(TARGETS)}")
        return PROFILES[target]
    if machine.lower() in ("aarch64", "arm64"):
        return PROFILES["arm64"]
    if _VNNI & {name.lower() for name in instruction_sets}:
        return PROFILES["vnni"]
    return PROFILES["avx2"]
