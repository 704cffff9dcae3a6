"""nnc: from a trained vision network to a small, fast, honestly measured file."""

__version__ = "0.1.0"
