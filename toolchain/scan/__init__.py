"""Sensitivity scans: accuracy against the fraction pruned, of the network and of each layer."""

from .settings import ScanSettings

__all__ = ["ScanSettings"]
