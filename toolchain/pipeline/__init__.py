"""Recipes: all stages from a network to its table in one resumable run."""

from .recipe import Recipe, StageSpec, load_recipe, shipped_recipes
from .runner import RunResult, StageRecord, run

__all__ = [
    "Recipe",
    "RunResult",
    "StageRecord",
    "StageSpec",
    "load_recipe",
    "run",
    "shipped_recipes",
]
