"""Accuracy tools for int8: equalise channels, correct biases, choose the rounding of weights.

Each is a file of its own, works on prepared float ONNX models and needs neither torch nor labels.
"""

from .adaround import round_weights
from .bias_correction import correct_biases
from .equalise import Equalised, EqualisedPair, equalise

__all__ = ["Equalised", "EqualisedPair", "correct_biases", "equalise", "round_weights"]
