"""An NVIDIA GPU: which there is, its memory, stream and graph, and latency on it."""

__all__: list[str] = []
