"""ONNX Runtime: its runtime, execution providers, bound memory, and what its profiler says."""

__all__: list[str] = []
