"""Measured results made readable: figures, the bench table, Markdown."""

__all__: list[str] = []
