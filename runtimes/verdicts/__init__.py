"""Judgements on what a bench measured: budgets, and saved results read strictly."""

from .budgets import Budgets, enforce, judge
from .saved import read_bench

__all__ = ["Budgets", "enforce", "judge", "read_bench"]
