"""What writes a shipped file: ONNX from a checkpoint, int8 ONNX from ONNX.

Everything here but `onnx_export` and `onnx_trace` works where torch is not installed.
"""

__all__: list[str] = []
