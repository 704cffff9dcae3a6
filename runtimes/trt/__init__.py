"""TensorRT: its libraries told apart, an engine's sidecar, its checks and its runtime."""

__all__: list[str] = []
