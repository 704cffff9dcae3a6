"""Data sets as folders: train/CLASS/*.png|jpg and test/CLASS/*.png|jpg."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ...errors import InputError
from .dataset import DataSet
from .images import FileImages, opened_image

__all__ = ["common_form", "open_folder"]

_SUFFIXES = (".png", ".jpg", ".jpeg")
_SAMPLED = 32
"""Images looked at to tell size and channels; all are brought to those when read."""


def open_folder(path: Path) -> DataSet:
    """Read the class folders below ``path``; images are decoded only when asked for.

    The channels are 1 where all looked-at images are grey, else 3; the size is the most common
    one. Raises InputError where a part or a class is missing or holds no image.
    """
    parts = {}
    for part in ("train", "test"):
        folder = path / part
        if not folder.is_dir():
            raise InputError(
                f"{path} has no folder '{part}'; expected train/CLASS/* and test/CLASS/*"
            )
        parts[part] = {
            entry.name: sorted(
                file
                for file in entry.iterdir()
                if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")
            )
            for entry in sorted(folder.iterdir())
            if entry.is_dir() and not entry.name.startswith(".")
        }
    classes = tuple(parts["train"])
    if strangers := sorted(set(parts["test"]) - set(classes)):
        raise InputError(f"{path}: test class '{strangers[0]}' is not among the training classes")
    for name, files in parts["train"].items():
        if not files:
            raise InputError(f"{path}: train/{name} holds no .png or .jpg image")
    images = {
        part: [(file, classes.index(name)) for name, files in found.items() for file in files]
        for part, found in parts.items()
    }
    if not images["train"]:
        raise InputError(f"{path}: train holds no class folder with images")
    channels, height, width = common_form([file for file, _ in images["train"]])
    training, test = (
        FileImages([file for file, _ in pairs], [label for _, label in pairs], channels)
        for pairs in images.values()
    )
    return DataSet(
        name=path.resolve().name,
        classes=classes,
        channels=channels,
        height=height,
        width=width,
        training=training,
        test=test,
    )


def common_form(files: list[Path]) -> tuple[int, int, int]:
    """Channels, height and width that suit most of ``files``, told by a few of them."""
    sizes: Counter[tuple[int, int]] = Counter()
    grey = True
    for path in files[:: max(1, len(files) // _SAMPLED)]:
        with opened_image(path) as picture:
            sizes[picture.size] += 1
            grey = grey and (picture.mode in ("1", "L", "LA") or picture.mode.startswith("I"))
    (width, height), _ = sizes.most_common(1)[0]
    return (1 if grey else 3), height, width
