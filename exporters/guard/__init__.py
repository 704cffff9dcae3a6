"""The guard: int8 that costs accuracy or time is found out, mended where it can be, or refused.

`search` tries candidates (a calibration, accuracy tools, layers that stay float) and judges each by
what it does on held-back training images and by its latency beside the float file.
"""

from .candidate import TOOLS, Candidate
from .plan import Plan, read_plan
from .trial import Limits, Trial

__all__ = ["TOOLS", "Candidate", "Limits", "Plan", "Trial", "read_plan"]
