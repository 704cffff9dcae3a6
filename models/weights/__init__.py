"""Trained reference weights."""

__all__: list[str] = []
