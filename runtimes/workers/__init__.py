"""Processes of our own: what they are told, what runs inside them, and what they use."""

__all__: list[str] = []
