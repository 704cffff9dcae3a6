"""Judgements on what a bench measured: budgets, comparisons of two results, and saved results."""

from .budgets import Budgets, enforce, judge
from .compare import Comparison, compare
from .saved import read_bench

__all__ = ["Budgets", "Comparison", "compare", "enforce", "judge", "read_bench"]
