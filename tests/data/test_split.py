"""The split is the paper's: a fifth of every class, the same whatever the order or the subset."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.toolchain.data import DataSet, open_data, pick_balanced, resize
from nnc.toolchain.data.images import ArrayImages


def random_set(images: int, classes: int, seed: int, order: np.ndarray | None = None) -> DataSet:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (images, 4, 4, 1), dtype=np.uint8)
    labels = np.arange(images) % classes
    order = np.arange(images) if order is None else order
    part = ArrayImages(pixels[order], labels[order])
    return DataSet("random", tuple(map(str, range(classes))), 1, 4, 4, part, part)


def test_embedded_set_splits_a_fifth_of_each_class() -> None:
    train, validation = open_data("fashion-mnist-mini").split()
    assert np.bincount(train.labels).tolist() == [480] * 10
    assert np.bincount(validation.labels).tolist() == [120] * 10
    assert not set(train.identities()) & set(validation.identities())


@settings(max_examples=30, deadline=None)
@given(st.integers(6, 200), st.integers(2, 3), st.integers(0, 99), st.integers(0, 5))
def test_split_ignores_order_and_never_overlaps(
    images: int, classes: int, seed: int, split_seed: int
) -> None:
    order = np.random.default_rng(seed + 1).permutation(images)
    plain = random_set(images, classes, seed).split(split_seed)
    shuffled = random_set(images, classes, seed, order).split(split_seed)
    for one, other in zip(plain, shuffled, strict=True):
        assert set(one.identities()) == set(other.identities())
    assert len(plain[0]) + len(plain[1]) == images
    assert min(np.bincount(part.labels, minlength=classes).min() for part in plain) >= 1


@pytest.mark.parametrize("limit", [10, 50, 5000])
def test_limit_keeps_the_shares_and_the_sides(limit: int) -> None:
    data = random_set(200, 2, 0)
    whole, limited = data.split(), data.split(limit=limit)
    assert len(limited[1]) == min(limit, 200) // 5
    assert len(limited[0]) + len(limited[1]) == min(limit, 200)
    for part, full in zip(limited, whole, strict=True):
        assert set(part.identities()) <= set(full.identities())


def test_seed_changes_the_split() -> None:
    data = random_set(200, 2, 0)
    assert set(data.split(0)[1].identities()) != set(data.split(1)[1].identities())


@given(st.integers(1, 60), st.integers(0, 9))
def test_pick_balanced_is_even_seeded_and_without_repeats(samples: int, seed: int) -> None:
    images = random_set(50, 5, 0).training
    chosen = pick_balanced(images, samples, seed)
    assert len(chosen) == min(samples, 50) == len(set(chosen.tolist()))
    counts = np.bincount(images.labels[chosen], minlength=5)
    assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(chosen, pick_balanced(images, samples, seed))


def test_resize_keeps_flat_images_flat_and_own_size_untouched() -> None:
    flat = np.full((2, 28, 28, 3), 77, np.uint8)
    assert (resize(flat, 224, 224) == 77).all()
    assert resize(flat, 224, 100).shape == (2, 224, 100, 3)
    assert resize(flat, 28, 28) is flat
