"""The roofline: how far a network is from what the machine's arithmetic and memory allow.

Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52(4), 2009.
"""

from .costs import LayerCost, layer_costs
from .layer_times import OTHER, time_layers
from .peaks import Peak, measure_peaks
from .profile import LayerProfile, Profile, profile_of

__all__ = [
    "OTHER",
    "LayerCost",
    "LayerProfile",
    "Peak",
    "Profile",
    "layer_costs",
    "measure_peaks",
    "profile_of",
    "time_layers",
]
