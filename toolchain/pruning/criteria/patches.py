"""The vectors that a layer's filters are laid over, at some of their positions."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["patches"]


def patches(
    layer: nn.Conv2d | nn.Linear, read: torch.Tensor, wanted: int, generator: torch.Generator
) -> tuple[torch.Tensor, int]:
    """Input vectors [G, rows, n] of ``layer`` at ``wanted`` random positions of each image.

    All positions where there are no more. The second value is how many were taken of each image;
    the entries of a vector lie as the weight's do, flattened from axis 1 on.
    """
    if isinstance(layer, nn.Linear):
        vectors = read.reshape(len(read), -1, read.shape[-1])
        chosen = _positions(vectors.shape[1], wanted, generator).to(read.device)
        return vectors[:, chosen].flatten(0, 1)[None], len(chosen)
    (kh, kw), (dh, dw), (sh, sw) = layer.kernel_size, layer.dilation, layer.stride
    padded = _pad(layer, read)
    height = (padded.shape[2] - dh * (kh - 1) - 1) // sh + 1
    width = (padded.shape[3] - dw * (kw - 1) - 1) // sw + 1
    chosen = _positions(height * width, wanted, generator)
    rows = (chosen // width * sh)[:, None] + torch.arange(kh) * dh
    columns = (chosen % width * sw)[:, None] + torch.arange(kw) * dw
    rows, columns = rows.to(read.device), columns.to(read.device)
    found = padded[:, :, rows[:, :, None], columns[:, None, :]]  # [B, C, P, kH, kW]
    groups = layer.groups
    vectors = found.transpose(1, 2).flatten(0, 1).reshape(-1, groups, layer.weight[0].numel())
    return vectors.transpose(0, 1).contiguous(), len(chosen)


def _positions(count: int, wanted: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randperm(count, generator=generator)[:wanted]


def _pad(layer: nn.Conv2d, read: torch.Tensor) -> torch.Tensor:
    if layer.padding == "same":
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        (top, left), (bottom, right) = [t // 2 for t in totals], [t - t // 2 for t in totals]
    elif isinstance(layer.padding, str):  # "valid"
        return read
    else:
        top, left = bottom, right = layer.padding
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return nn.functional.pad(read, (left, right, top, bottom), mode=mode)
