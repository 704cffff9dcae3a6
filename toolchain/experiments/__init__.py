"""Experiments: the paper's studies, run from start to figure."""

__all__: list[str] = []
