"""Any .npz or folder of images can be opened without labels; data sets stay data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nnc.errors import InputError, MissingError
from nnc.toolchain.data import DataSet, LooseImages, open_images

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (10, 6, 8), dtype=np.uint8)


def saved(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return str(path)


@pytest.mark.parametrize("key", ["x_train", "images", "x", "anything"])
def test_an_npz_of_images_alone(tmp_path: Path, key: str) -> None:
    found = open_images(saved(tmp_path / "mine.npz", **{key: GREY}))
    assert isinstance(found, LooseImages)
    assert (found.name, found.reference, found.classes) == ("mine", "path:mine", ())
    assert (found.channels, found.height, found.width, found.test) == (1, 6, 8, None)
    np.testing.assert_array_equal(found.training.take(range(10), 6, 8)[..., 0], GREY)


def test_an_unlabelled_test_part_is_kept_apart(tmp_path: Path) -> None:
    found = open_images(saved(tmp_path / "mine.npz", x_train=GREY, x_test=GREY[:3]))
    assert isinstance(found, LooseImages)
    assert found.test is not None
    assert (len(found.training), len(found.test)) == (10, 3)


def test_labelled_sets_are_opened_as_ever(small_npz: Path) -> None:
    assert isinstance(open_images(str(small_npz)), DataSet)
    assert isinstance(open_images("fashion-mnist-mini"), DataSet)


def write(folder: Path, names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names.split():
        pixels = RANDOM.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")


@pytest.mark.parametrize(
    ("folders", "training", "test"),
    [
        ({".": "a b c"}, 3, 0),
        ({"one": "a b", "two/deep": "c"}, 3, 0),
        ({"train": "a b", "test": "c"}, 2, 1),
        ({"train": "a b", "other": "c"}, 2, 0),
        ({".": "a b", "test": "c"}, 2, 1),
        ({"train/cat": "a b"}, 2, 0),
    ],
)
def test_a_folder_of_images(
    tmp_path: Path, folders: dict[str, str], training: int, test: int
) -> None:
    for folder, names in folders.items():
        write(tmp_path / folder, names)
    (tmp_path / ".hidden.png").touch()
    (tmp_path / "notes.txt").touch()
    found = open_images(str(tmp_path))
    assert isinstance(found, LooseImages)
    assert (found.channels, found.height, found.width) == (3, 6, 8)
    assert len(found.training) == training
    assert (0 if found.test is None else len(found.test)) == test


def test_classes_of_images_are_a_data_set(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            write(tmp_path / part / name, "a b")
    assert isinstance(open_images(str(tmp_path)), DataSet)


def test_the_split_goes_by_content(tmp_path: Path) -> None:
    every = np.concatenate([GREY, GREY[:2]])
    sides = []
    for order in (np.arange(12), RANDOM.permutation(12)):
        found = open_images(saved(tmp_path / "mine.npz", x=every[order]))
        assert isinstance(found, LooseImages)
        train, validation = found.split()
        assert len(train) + len(validation) == 12
        assert not set(train.identities()) & set(validation.identities())
        sides.append(set(validation.identities()))
    assert sides[0] == sides[1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": GREY[:1]}, r"1 image\(s\); expected at least 2"),
        ({"x": GREY.astype(np.float32)}, "x is float32; expected uint8 pixels"),
        ({"x": GREY[0]}, r"x has shape \[6, 8\]; expected"),
        ({"a": GREY, "b": GREY}, "holds a, b; expected the images as x_train, images or x"),
        ({"x": np.array([{}], dtype=object)}, "damaged, or holds Python objects"),
        ({"y_train": GREY}, "lacks x_train"),
    ],
)
def test_an_npz_that_holds_no_images(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_images(saved(tmp_path / "bad.npz", **arrays))
    assert "\n" not in str(caught.value)


def test_what_is_no_set_of_images(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 not one")
    np.save(tmp_path / "b.npy", GREY)
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("a.txt", "is no data set"),
        ("a.npz", "damaged"),
        ("b.npz", "holds one array"),
        ("empty", "holds no .png or .jpg image"),
        ("nothing", "no data set"),
    ):
        with pytest.raises((InputError, MissingError), match=message):
            open_images(str(tmp_path / name))


def test_images_that_are_all_the_same_cannot_be_split(tmp_path: Path) -> None:
    found = open_images(saved(tmp_path / "same.npz", x=np.repeat(GREY[:1], 5, axis=0)))
    with pytest.raises(InputError, match="all 5 images are the same"):
        found.split()
