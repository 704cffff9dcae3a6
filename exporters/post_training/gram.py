"""The second moments of a layer's inputs, which hold all that its output error depends on.

With inputs x of the float and x' of the quantised network, the error of a row w' of the quantised
weight against the row w of the float one is E[(w x - w' x')^2] =
E[(w x)^2] - 2 w' E[x' (w x)] + w' E[x' x'^T] w'. These three are gathered over the images once;
after that no image is needed, however often w' changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..passes.graph import attribute, constant

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto

    from .layers import Layer

__all__ = ["Moments"]

_POSITIONS = 64
"""Output positions of an image that are looked at, at most: neighbours tell the same."""


class Moments:
    """Running sums over images for one layer, float32; G groups, K inputs a row, M rows a group."""

    def __init__(self, graph: GraphProto, layer: Layer, generator: np.random.Generator) -> None:
        import numpy as np

        weight = constant(graph, layer.weight)
        assert weight is not None, layer.weight
        self._layer = layer
        self._generator = generator
        self._kernel = weight.shape[2:]
        self._alpha = float(attribute(layer.node, "alpha", 1.0))
        bias = constant(graph, layer.bias) if layer.bias else None
        beta = float(attribute(layer.node, "beta", 1.0))
        self._bias = np.float32(0) if bias is None else bias.astype(np.float32) * np.float32(beta)
        groups, rows = layer.groups, layer.channels // layer.groups
        inputs = weight.size // layer.channels
        self.inputs = np.zeros((groups, inputs, inputs), np.float32)
        """E[x' x'^T], [G, K, K], as a sum until `mean` is called."""
        self.cross = np.zeros((groups, rows, inputs), np.float32)
        """E[(w x) x'], [G, M, K]."""
        self.power = np.zeros((groups, rows), np.float64)
        """E[(w x)^2], [G, M]."""
        self._count = 0

    def add(self, given: np.ndarray[Any, Any], made: np.ndarray[Any, Any]) -> None:
        """Take in x', the quantised network's input to the layer, and the float one's output."""
        import numpy as np

        layer = self._layer
        if layer.convolves:
            columns, outputs = self._convolution(given, made)
        else:
            columns = given.reshape(-1, given.shape[-1]).T[None]
            outputs = ((made - self._bias) / self._alpha).reshape(-1, made.shape[-1]).T[None]
        transposed = columns.transpose(0, 2, 1)
        self.inputs += np.matmul(columns, transposed)
        self.cross += np.matmul(outputs, transposed)
        self.power += np.square(outputs, dtype=np.float64).sum(axis=2)
        self._count += columns.shape[2]

    def mean(self) -> None:
        """Turn the sums into means."""
        self.inputs /= self._count
        self.cross /= self._count
        self.power /= self._count

    def _convolution(
        self, given: np.ndarray[Any, Any], made: np.ndarray[Any, Any]
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Patches [G, K, S] of [N, C, H, W] at some positions, and outputs [G, M, S] there."""
        import numpy as np

        node, groups = self._layer.node, self._layer.groups
        strides = list(attribute(node, "strides", [1, 1]))
        dilations = list(attribute(node, "dilations", [1, 1]))
        before, after = self._pads(given.shape[2:], made.shape[2:], strides, dilations)
        padded = np.pad(
            given, [(0, 0), (0, 0), (before[0], after[0]), (before[1], after[1])], mode="constant"
        )
        images, channels = given.shape[:2]
        height, width = made.shape[2:]
        chosen = np.arange(height * width)
        if len(chosen) > _POSITIONS:
            chosen = np.sort(self._generator.choice(chosen, _POSITIONS, replace=False))
        top, left = (chosen // width) * strides[0], (chosen % width) * strides[1]
        taps = [
            padded[:, :, top + down * dilations[0], left + right * dilations[1]]
            for down in range(self._kernel[0])
            for right in range(self._kernel[1])
        ]
        # [taps, images, channels, positions] to [groups, channels x taps, images x positions]
        stacked = np.stack(taps).reshape(len(taps), images, groups, channels // groups, -1)
        columns = stacked.transpose(2, 3, 0, 1, 4).reshape(
            groups, channels // groups * len(taps), -1
        )
        outputs = made.reshape(*made.shape[:2], -1)[:, :, chosen]
        outputs = outputs - np.reshape(self._bias, (-1, 1))
        outputs = outputs.transpose(1, 0, 2).reshape(groups, made.shape[1] // groups, -1)
        return columns, outputs

    def _pads(
        self,
        given: tuple[int, ...],
        made: tuple[int, ...],
        strides: list[int],
        dilations: list[int],
    ) -> tuple[list[int], list[int]]:
        """Rows and columns of zeros before and after the image."""
        node = self._layer.node
        mode = attribute(node, "auto_pad", b"NOTSET").decode()
        if mode in ("NOTSET", "VALID"):
            pads = list(attribute(node, "pads", [0, 0, 0, 0])) if mode == "NOTSET" else [0] * 4
            return pads[:2], pads[2:]
        before, after = [], []
        for size, out, kernel, stride, dilation in zip(
            given, made, self._kernel, strides, dilations, strict=True
        ):
            missing = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
            small, large = missing // 2, missing - missing // 2
            before.append(small if mode == "SAME_UPPER" else large)
            after.append(large if mode == "SAME_UPPER" else small)
        return before, after
