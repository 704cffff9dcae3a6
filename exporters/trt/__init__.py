"""TensorRT: int8 in explicit Q/DQ form, and the engines that are built from it."""

__all__: list[str] = []
