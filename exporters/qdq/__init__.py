"""Writing a prepared float model as int8, in QuantizeLinear and DequantizeLinear."""

__all__: list[str] = []
