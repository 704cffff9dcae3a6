"""Where data sets come from: the embedded one, the data root, Debian, a download, a path."""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import InputError, MissingError
from .cifar_files import holds_cifar, open_cifar
from .dataset import DataSet
from .folder import open_folder
from .idx import holds_idx, open_idx
from .npz import open_npz

__all__ = ["DATA_NAMES", "data_root", "open_data"]

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer",
    "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
MINI = "fashion-mnist-mini"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
DOWNLOAD_TIMEOUT_S = 20.0

Reader = Callable[[Path, str, tuple[str, ...]], DataSet]


@dataclass(frozen=True)
class _Named:
    """A known data set: its class names and the places where its own layout may lie."""

    classes: tuple[str, ...]
    folders: tuple[str, ...]
    holds: Callable[[Path], bool]
    read: Reader
    torchvision_class: str
    debian: Path | None = None


_NAMED = {
    "fashion-mnist": _Named(
        FASHION_CLASSES,
        ("FashionMNIST/raw",),
        holds_idx,
        open_idx,
        "FashionMNIST",
        DEBIAN_FOLDER,
    ),
    "cifar10": _Named(
        CIFAR10_CLASSES,
        ("cifar-10-batches-py", "cifar-10-batches-bin"),
        holds_cifar,
        open_cifar,
        "CIFAR10",
    ),
}
DATA_NAMES = (MINI, *_NAMED)


def data_root(data_dir: Path | None = None) -> Path:
    """The folder of named data sets: ``data_dir``, else NNC_DATA_DIR, else the user's cache."""
    if data_dir is not None:
        return data_dir
    if named := os.environ.get("NNC_DATA_DIR"):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("nnc")) / "data"


def open_data(name: str, data_dir: Path | None = None) -> DataSet:
    """Open a data set by name (`DATA_NAMES`) or by path (an ``.npz`` or a folder of images).

    Raises InputError for an unknown name or a damaged set, MissingError (with all that was tried)
    where a known set is nowhere to be had.
    """
    if name == MINI:
        mini = open_npz(Path(__file__).parent / "fashion_mnist_mini.npz", MINI, FASHION_CLASSES)
        return replace(mini, known=True)
    if name in _NAMED:
        return replace(_open_named(name, _NAMED[name], data_root(data_dir)), known=True)
    path = Path(name)
    if path.is_dir():
        return open_folder(path)
    if path.exists():
        if path.suffix != ".npz":
            raise InputError(f"{path} is no data set; expected an .npz file or a folder of images")
        return open_npz(path)
    near = difflib.get_close_matches(name.lower(), DATA_NAMES, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(
        f"no data set '{name}': expected {', '.join(DATA_NAMES)}, an .npz file or a folder{hint}"
    )


def _open_named(name: str, known: _Named, root: Path) -> DataSet:
    tried = []
    for folder in (root / relative for relative in known.folders):
        if known.holds(folder):
            return known.read(folder, name, known.classes)
        tried.append(str(folder))
    archive = root / f"{name}.npz"
    if archive.exists():
        return open_npz(archive, name, known.classes)
    tried.append(str(archive))
    if known.debian is not None:
        if known.holds(known.debian):
            return known.read(known.debian, name, known.classes)
        tried.append(str(known.debian))
    failure = _download(known, root)
    if failure is None:
        for folder in (root / relative for relative in known.folders):
            if known.holds(folder):
                return known.read(folder, name, known.classes)
        failure = "incomplete"
    tried.append(f"torchvision's download ({failure})")
    remedy = f"put {archive.name} (x_train, y_train, x_test, y_test) into {root}"
    if known.debian is not None:
        remedy = f"apt-get install dataset-fashion-mnist, or {remedy}"
    raise MissingError(f"{name} not found; tried {', '.join(tried)}. To get it: {remedy}")


def _download(known: _Named, root: Path) -> str | None:
    """Let torchvision fetch the files; the reason in a few words where that fails."""
    if importlib.util.find_spec("torchvision") is None:
        return "torchvision is not installed"
    from torchvision import datasets
    from torchvision.datasets.utils import download_and_extract_archive

    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            if known.torchvision_class == "CIFAR10":
                # Its own class would unpickle what it fetched; only the checked archive is wanted.
                download_and_extract_archive(
                    datasets.CIFAR10.url, str(root), md5=datasets.CIFAR10.tgz_md5
                )
            else:
                datasets.FashionMNIST(str(root), download=True)
    except (OSError, RuntimeError) as error:
        return f"no network: {str(error).splitlines()[0][:80]}"
    finally:
        socket.setdefaulttimeout(previous)
    return None
