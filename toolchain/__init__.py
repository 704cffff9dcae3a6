"""Data, training, pruning, recipes, reports and the command line."""

__all__: list[str] = []
