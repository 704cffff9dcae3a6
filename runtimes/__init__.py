"""What runs a shipped file and measures it; needs no PyTorch except to run a checkpoint."""

__all__: list[str] = []
