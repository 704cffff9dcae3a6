"""The sampled inputs, and the updates made with them, against plain least squares."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from nnc.toolchain.pruning.criteria.asked import Asked
from nnc.toolchain.pruning.criteria.inputs import LayerInputs, layer_inputs
from nnc.toolchain.pruning.criteria.patches import patches
from nnc.toolchain.pruning.criteria.readers import grouped
from nnc.toolchain.pruning.criteria.refit import refit_columns, refit_weights
from nnc.toolchain.pruning.structure import read_structure

from .hand_made import evidence


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "groups": 4},
        {"kernel_size": (3, 2), "padding": "same", "dilation": 2, "groups": 2},
        {"kernel_size": 1, "padding": "valid"},
        {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
    ],
)
def test_patches_are_what_filters_see(settings: dict[str, object]) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 8, bias=False, **settings)  # type: ignore[arg-type]
    read = torch.randn(2, 4, 6, 5)
    outputs = layer(read)
    found, each = patches(layer, read, 10**6, torch.Generator().manual_seed(0))
    order = torch.randperm(each, generator=torch.Generator().manual_seed(0))
    weight = grouped(nn.Sequential(layer), "0", layer.weight)
    made = (found @ weight.mT).transpose(0, 1).flatten(1)  # [rows, filters]
    expected = outputs.flatten(2)[:, :, order].transpose(1, 2).flatten(0, 1)
    assert torch.allclose(made, expected, atol=1e-5)


def both(inputs: torch.Tensor, *, constant: bool) -> list[LayerInputs]:
    """The same moments, held as a matrix and as vectors."""
    network = nn.Sequential(nn.Linear(inputs.shape[1], 3))
    found = layer_inputs(
        Asked(network, (), read_structure(network), evidence=evidence(inputs)),
        ["0"],
        ["0"] if constant else [],
    )["0"]
    assert found.moments is None
    assert found.rows is not None
    return [found, replace(found, rows=None, moments=found.rows.mT @ found.rows)]


@pytest.mark.parametrize("constant", [False, True])
def test_vectors_and_matrix_answer_alike(constant: bool) -> None:
    torch.manual_seed(0)
    thin, whole = both(torch.randn(10, 16), constant=constant)
    weight = torch.randn(1, 3, 16 + constant)
    assert torch.allclose(thin.times(weight), whole.times(weight), atol=1e-4)
    assert torch.allclose(thin.diagonal(), whole.diagonal(), atol=1e-5)
    left, right = thin.inverse(), whole.inverse()
    assert torch.allclose(left.diagonal(), right.diagonal(), rtol=1e-3)
    columns = torch.tensor([[0, 3], [7, 9]])
    assert torch.allclose(left.blocks(columns), right.blocks(columns), rtol=1e-3, atol=1e-3)
    free = torch.ones(16 + constant, dtype=torch.bool)
    free[:4] = False
    answers = [one.made_up(weight[:, :, :4], torch.arange(4), free) for one in (thin, whole)]
    assert torch.allclose(*answers, atol=1e-3)
    part = slice(2, 6)
    bare = weight[:, :, :16]
    assert torch.allclose(thin.block(part, bare), whole.block(part, bare), atol=1e-4)


def test_both_updates_are_least_squares() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(12, 16) + 1
    held, _ = both(inputs, constant=False)
    weight = torch.randn(3, 16)
    gone = torch.zeros(16, dtype=torch.bool)
    gone[[1, 5, 6]] = True
    root = torch.cat([inputs / 12**0.5, held.damping[0, 0].sqrt() * torch.eye(16)]).double()
    target = root[:, gone] @ weight[:, gone].double().T
    change = torch.linalg.lstsq(root[:, ~gone], target).solution.T
    for refit, shape in ((refit_columns, (16,)), (refit_weights, (1, 3, 16))):
        network = nn.Sequential(nn.Linear(16, 3, bias=False))
        with torch.no_grad():
            network[0].weight.copy_(weight)
        free = (~gone).expand(shape)
        refit(network, "0", held, gone.expand(shape), free, None)
        assert network[0].weight[:, gone].count_nonzero() == 0
        found = (network[0].weight - weight)[:, ~gone].double()
        assert torch.allclose(found, change, atol=5e-3), refit.__name__
