"""The graph that ONNX Runtime really executes, and what each node of a model became in it."""

__all__: list[str] = []
