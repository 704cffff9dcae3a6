"""What an ONNX file holds: read and refused, its shapes, costs, int8 layers and zeros."""

__all__: list[str] = []
