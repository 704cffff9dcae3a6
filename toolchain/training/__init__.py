"""Training: recipes, the epoch loop, and the stage that makes a reference checkpoint."""

from .settings import RECIPES, TrainSettings

__all__ = ["RECIPES", "TrainSettings"]
