"""The guard: int8 that costs accuracy or time is found out, mended where it can be, or refused.

`search` tries candidates (a calibration, accuracy tools, layers that stay float) and judges each by
what it does on held-back training images and by its latency beside the float file.
"""
