"""What the stages are fed: balanced limits, no held-out images, only data sets that are known."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnc.errors import InputError
from nnc.model_card import InputSpec, ModelCard, Stage
from nnc.toolchain import feeds
from nnc.toolchain.data import DataSet, open_data
from nnc.toolchain.data.images import ArrayImages, Subset
from nnc.toolchain.data.loose import LooseImages

SPEC = InputSpec(1, 28, 28, (0.5,), (0.5,))


@pytest.mark.parametrize("limit", [10, 25, None])
def test_a_limited_test_part_is_balanced_even_where_files_are_sorted(
    small_data: DataSet, limit: int | None
) -> None:
    by_class = np.argsort(small_data.test.labels, kind="stable")
    data = replace(small_data, test=Subset(small_data.test, by_class))
    part = feeds.test_part(data, limit)
    labels = np.concatenate([labels for _, labels in part.batches(SPEC)])
    counts = np.bincount(labels, minlength=10)
    assert part.images == len(labels) == (limit or 40)
    assert counts.max() - counts.min() <= 1


def test_calibration_images_are_training_images_not_held_out(small_data: DataSet) -> None:
    train, _validation = small_data.split()
    pixels = train.take(range(len(train)), 28, 28)
    known = {((image / 255 - 0.5) / 0.5).astype(np.float32).round(4).tobytes() for image in pixels}
    batches = list(feeds.calibration_images(small_data, SPEC, 30)())
    drawn = [image.transpose(1, 2, 0).round(4).tobytes() for batch in batches for image in batch]
    assert len(drawn) == 30
    assert set(drawn) <= known


@pytest.mark.parametrize("recorded", ["path:small", "small", "/etc"])
def test_a_file_cannot_name_a_path_to_open(recorded: str) -> None:
    card = ModelCard(SPEC, tuple("0123456789"), history=(Stage("train", {"data": recorded}),))
    with pytest.raises(InputError, match="pass --data PATH"):
        feeds.data_for(card, Path("x.onnx"), None, None)


def test_the_record_tells_which_images(small_data: DataSet) -> None:
    images = feeds.calibration_images(small_data, SPEC, 30, seed=3)
    record = images.record
    pixels = small_data.training.take(record.indices, 28, 28)
    given = np.concatenate(list(images()))
    np.testing.assert_allclose(given, (pixels.transpose(0, 3, 1, 2) / 255 - 0.5) / 0.5, atol=1e-6)
    assert record.sha256 == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert (record.data, record.seed, record.images) == ("path:small", 3, 30)
    counts = np.bincount(small_data.training.labels[list(record.indices)], minlength=10)
    assert counts.max() - counts.min() <= 1
    assert json.loads(json.dumps(record.to_json()))["indices"] == list(record.indices)
    again = feeds.calibration_images(small_data, SPEC, 30, seed=3)
    np.testing.assert_array_equal(np.concatenate(list(again())), given)
    assert again.record == record
    assert feeds.calibration_images(small_data, SPEC, 30, seed=4).record.sha256 != record.sha256


@pytest.mark.parametrize(
    ("batch", "count"), [(None, 30), (1, 30), (7, 28), (24, 24), (30, 30), (64, 30)]
)
def test_a_fixed_batch_gets_as_many_as_fill_it(
    small_data: DataSet, batch: int | None, count: int
) -> None:
    images = feeds.calibration_images(small_data, SPEC, 30, batch=batch)
    pixels = small_data.training.take(images.record.indices, 28, 28)
    assert images.record.images == len(images) == len(pixels) == count
    assert images.record.sha256 == hashlib.sha256(pixels.tobytes()).hexdigest()
    # All 80 that may be used.
    assert len(feeds.calibration_images(small_data, SPEC, 500, batch=24)) == 72


def test_held_back_images_are_balanced_and_never_calibrated_on(small_data: DataSet) -> None:
    calibrated = feeds.calibration_images(small_data, SPEC, 1000).record.indices
    seen = {image.tobytes() for image in small_data.training.take(calibrated, 28, 28)}
    part = feeds.held_back(small_data, SPEC, 20, seed=1)
    pairs = list(part.batches(SPEC))
    images = np.concatenate([images for images, _ in pairs])
    labels = np.concatenate([labels for _, labels in pairs])
    assert len(calibrated) == 80
    assert (part.images, part.classes, images.shape) == (20, 10, (20, 28, 28, 1))
    assert np.bincount(labels).tolist() == [2] * 10
    assert not seen & {image.tobytes() for image in images}
    every = {
        image.tobytes(): label
        for image, label in zip(
            small_data.training.take(range(100), 28, 28), small_data.training.labels, strict=True
        )
    }
    assert [every[image.tobytes()] for image in images] == labels.tolist()


def with_copies(data: DataSet, copies: int) -> tuple[DataSet, list[int]]:
    """``data`` with some of its calibration images put into its test part too."""
    chosen = list(feeds.calibration_images(data, SPEC, 50).record.indices[:copies])
    test = np.concatenate([data.test.take(range(40), 28, 28), data.training.take(chosen, 28, 28)])
    labels = np.concatenate([data.test.labels, data.training.labels[chosen]])
    return replace(data, test=ArrayImages(test, labels)), sorted(chosen)


@pytest.mark.parametrize("copies", [1, 7])
def test_calibration_images_of_the_test_part_are_refused(small_data: DataSet, copies: int) -> None:
    data, chosen = with_copies(small_data, copies)
    shown = ", ".join(map(str, chosen[:5])) + (", ..." if copies > 5 else "")
    with pytest.raises(InputError) as caught:
        feeds.calibration_images(data, SPEC, 50)
    assert str(caught.value) == (
        f"small: {copies} of 50 calibration images are in its test part too (training images "
        f"{shown}, counted from 0); expected none: remove them from one of the two parts"
    )


def test_copies_are_found_whatever_file_holds_them(tmp_path: Path, small_data: DataSet) -> None:
    from PIL import Image

    for part, images in (("train", small_data.training), ("test", small_data.test)):
        for number, pixels in enumerate(images.take(range(12), 28, 28)[..., 0]):
            folder = tmp_path / part / str(number % 2)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    feeds.calibration_images(open_data(str(tmp_path)), SPEC, 99)
    # The same pixels, in a file of other bytes.
    for number in range(12):
        picture = Image.open(tmp_path / "train" / str(number % 2) / f"{number}.png")
        picture.save(tmp_path / "test" / "0" / f"copy{number}.png", compress_level=0)
    with pytest.raises(InputError, match="calibration images are in its test part too"):
        feeds.calibration_images(open_data(str(tmp_path)), SPEC, 99)


def test_images_without_labels_serve(small_data: DataSet) -> None:
    pixels = small_data.training.take(range(50), 28, 28)
    loose = LooseImages("mine", 1, 28, 28, ArrayImages(pixels, np.zeros(50)))
    images = feeds.calibration_images(loose, SPEC, 20)
    part = feeds.held_back(loose, SPEC)
    assert images.record.images == len(np.concatenate(list(images()))) == 20
    assert images.record.data == "path:mine"
    assert (part.classes, part.images) == (1, 10)
    seen = {image.tobytes() for image in loose.training.take(images.record.indices, 28, 28)}
    assert not seen & {image.tobytes() for batch, _ in part.batches(SPEC) for image in batch}
    copied = replace(loose, test=Subset(loose.training, np.array(images.record.indices[:1])))
    with pytest.raises(InputError, match=r"1 of 20 calibration images are in its test part"):
        feeds.calibration_images(copied, SPEC, 20)


def test_images_of_other_channels_are_refused(small_data: DataSet) -> None:
    colour = InputSpec(3, 28, 28, (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(InputError, match="small has 1 channel"):
        feeds.held_back(small_data, colour)
    with pytest.raises(InputError, match="takes images of 3 channel"):
        feeds.check_fits(colour, small_data, Path("x.onnx"))
