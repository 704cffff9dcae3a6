"""A GPU and an engine that are neither: host memory, and NumPy in place of the plan.

What `TrtRuntime` does between preflight and result needs a GPU; on these its order of calls, its
buffers and its arithmetic on shapes can be checked without one.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np

MODES = SimpleNamespace(INPUT="input", OUTPUT="output")
LAYOUT = SimpleNamespace(
    TensorFormat=SimpleNamespace(LINEAR="linear"), TensorLocation=SimpleNamespace(DEVICE="device")
)
LEAST, BEST, GREATEST = 1, 2, 8


class MemoryGpu:
    """`nnc.runtimes.gpu.device.Gpu` in host memory; a graph is the engine's computing alone."""

    stream = 7

    def __init__(self, *, captures=True):
        self.captures = captures
        self.capturing = False
        self.compute = None
        self.calls = []
        self.closed = False
        self._memory = {}

    def allocate(self, size):
        buffer = ctypes.create_string_buffer(size)
        self._memory[ctypes.addressof(buffer)] = buffer
        return ctypes.addressof(buffer)

    def pinned(self, size):
        return np.zeros(size, np.uint8)

    def to_device(self, address, source):
        self.calls.append("in")
        assert source.nbytes <= len(self._memory[address])
        ctypes.memmove(address, source.ctypes.data, source.nbytes)

    def to_host(self, target, address):
        self.calls.append("out")
        assert target.nbytes <= len(self._memory[address])
        ctypes.memmove(target.ctypes.data, address, target.nbytes)

    def mark(self, index):
        self.calls.append(index)

    def between(self, first, last):
        return 1000 * last - 10 * first

    def synchronise(self):
        self.calls.append("wait")

    def capture(self, work):
        self.capturing = True
        queued = work()
        self.capturing = False
        if not (self.captures and queued):
            return None
        self.calls.append("capture")

        def launch():
            self.calls.append("launch")
            self.compute()

        return launch

    def close(self):
        self.closed = True


class NumpyEngine:
    """An engine from ``x`` [N, 1, 8, 8] to ``y`` [N, 3], N from 1 to 8; its own context, too."""

    num_io_tensors = 2

    def __init__(self, gpu, scores, *, fails=False, odd=()):
        self.gpu, self.scores, self.fails, self.odd = gpu, scores, fails, odd
        gpu.compute = self.compute
        self.batch = None
        self.addresses = {}

    def create_execution_context(self):
        return self

    def get_tensor_name(self, index):
        return ("x", "y")[index]

    def get_tensor_mode(self, name):
        return MODES.INPUT if name == "x" else MODES.OUTPUT

    def get_tensor_dtype(self, name):
        return SimpleNamespace(name="FLOAT")

    def get_tensor_shape(self, name):
        batch = -1 if self.batch is None else self.batch
        return (batch, 1, 8, 8) if name == "x" else (batch, 3)

    def get_tensor_profile_shape(self, name, profile):
        assert (name, profile) == ("x", 0)
        return [(size, 1, 8, 8) for size in (LEAST, BEST, GREATEST)]

    def set_input_shape(self, name, shape):
        assert name == "x"
        self.batch = shape[0]
        return "input" not in self.odd

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return "address" not in self.odd

    def get_tensor_format(self, name):
        return "chw4" if "format" in self.odd else LAYOUT.TensorFormat.LINEAR

    def get_tensor_location(self, name):
        return "host" if "location" in self.odd else LAYOUT.TensorLocation.DEVICE

    def is_shape_inference_io(self, name):
        return "shape" in self.odd

    def execute_async_v3(self, stream):
        assert stream == self.gpu.stream
        if self.fails:
            return False
        if not self.gpu.capturing:
            self.gpu.calls.append("execute")
            self.compute()
        return True

    def compute(self):
        size = self.batch * 64 * 4
        batch = np.frombuffer(ctypes.string_at(self.addresses["x"], size), np.float32)
        found = self.scores(batch.reshape(-1, 1, 8, 8))
        ctypes.memmove(self.addresses["y"], found.ctypes.data, found.nbytes)
