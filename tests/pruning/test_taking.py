"""How many stay: the best, and counts rounded block by block."""

from __future__ import annotations

import pytest
import torch

from nnc.toolchain.pruning.taking import keep_best, rounded
from nnc.toolchain.pruning.units import Part


def channels(blocks: list[int], widths: list[int] | None = None) -> Part:
    return Part(
        "family", len(blocks), (), torch.tensor(blocks), torch.tensor(widths or [1] * len(blocks))
    )


@pytest.mark.parametrize(
    ("blocks", "widths", "kept", "expected"),
    [
        ([0] * 24, 1, 24, 24),  # nothing goes: the count stays
        ([0] * 24, 1, 21, 24),
        ([0] * 24, 1, 19, 16),
        ([0] * 24, 1, 1, 8),  # never nothing
        ([0] * 29, 1, 28, 24),  # 29 is no multiple: down
        ([0] * 6, 1, 3, 3),  # narrower than 8
        ([0] * 12, 2, 6, 8),  # two channels a unit: multiples of 4
    ],
)
def test_rounding(blocks: list[int], widths: int, kept: int, expected: int) -> None:
    part = channels(blocks, [widths] * len(blocks))
    scores = torch.arange(len(blocks)).double()
    result = rounded(part, scores, keep_best(scores, kept), 8)
    assert int(result.sum()) == expected
    assert torch.equal(result, keep_best(scores, expected))


def test_every_block_keeps_a_unit_and_is_rounded_alone() -> None:
    part = channels([0] * 16 + [1] * 16)
    scores = torch.arange(32).double()
    result = rounded(part, scores, keep_best(scores, 13), 8)
    assert [int(result[:16].sum()), int(result[16:].sum())] == [8, 16]
    assert int(rounded(part, scores, keep_best(scores, 10), 1)[:16].sum()) == 1


@pytest.mark.parametrize(("endless", "kept", "expected"), [(9, 10, 16), (3, 1, 8), (20, 20, 24)])
def test_units_of_infinite_worth_stay(endless: int, kept: int, expected: int) -> None:
    """The nearest multiple would be fewer than there are of them."""
    part = channels([0] * 24)
    scores = torch.arange(24).double()
    scores[:endless] = torch.inf
    result = rounded(part, scores, keep_best(scores, kept), 8)
    assert bool(result[:endless].all())
    assert int(result.sum()) == expected


def test_units_of_infinite_worth_stay_where_no_multiple_holds_them() -> None:
    part = channels([0] * 29)
    scores = torch.arange(29).double()
    scores[:27] = torch.inf
    result = rounded(part, scores, keep_best(scores, 28), 8)
    assert result.tolist() == [True] * 27 + [False, False]


def test_of_equal_scores_the_later_stay() -> None:
    assert keep_best(torch.tensor([0.0, 1, 0, 0, 2]), 3).tolist() == [0, 1, 0, 1, 1]
