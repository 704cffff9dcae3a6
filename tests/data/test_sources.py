"""Data sets are found by name and path, in every layout, and refused with one line."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nnc.errors import InputError, MissingError
from nnc.toolchain.data import open_data, sources


def write_npz(path: Path, **changes: object) -> Path:
    random = np.random.default_rng(0)
    arrays = {
        "x_train": random.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        "y_train": np.arange(20) % 4,
        "x_test": random.integers(0, 256, (4, 28, 28), dtype=np.uint8),
        "y_test": np.arange(4),
    } | changes
    with path.open("wb") as stream:
        np.savez(stream, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_embedded_set() -> None:
    data = open_data("fashion-mnist-mini")
    assert (len(data.training), len(data.test), data.channels, data.height) == (6000, 2000, 1, 28)
    assert np.bincount(data.training.labels).tolist() == [600] * 10
    assert np.bincount(data.test.labels).tolist() == [200] * 10
    assert data.classes[8] == "Bag"
    assert not set(data.training.identities()) & set(data.test.identities())


def test_npz_by_path(tmp_path: Path) -> None:
    data = open_data(str(write_npz(tmp_path / "mine.npz")))
    assert (data.name, data.classes, data.channels) == ("mine", ("0", "1", "2", "3"), 1)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "<i4", ">i4", "u8", "i8"])
def test_labels_of_any_whole_number_type(tmp_path: Path, kind: str) -> None:
    train, test = (np.arange(20) % 4).astype(kind), (np.arange(4) % 4).astype(kind)
    data = open_data(str(write_npz(tmp_path / "mine.npz", y_train=train, y_test=test[:, None])))
    assert data.classes == ("0", "1", "2", "3")
    np.testing.assert_array_equal(data.training.labels, train)
    np.testing.assert_array_equal(data.test.labels, test)


def test_named_npz_in_the_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_npz(tmp_path / "cifar10.npz", y_train=np.arange(20) % 10, y_test=np.arange(4))
    monkeypatch.setenv("NNC_DATA_DIR", str(tmp_path))
    assert open_data("cifar10").classes[9] == "truck"


def idx(array: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_torchvision_idx_layout(tmp_path: Path, packed: bool) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    labels = (np.arange(30) % 10).astype(np.uint8)
    for stem, part in (("train", slice(0, 20)), ("t10k", slice(20, 30))):
        for kind, array in (("images-idx3", images[part]), ("labels-idx1", labels[part])):
            content, suffix = idx(array), ""
            if packed:
                content, suffix = gzip.compress(content), ".gz"
            (raw / f"{stem}-{kind}-ubyte{suffix}").write_bytes(content)
    data = open_data("fashion-mnist", tmp_path)
    np.testing.assert_array_equal(data.training.take(range(20), 28, 28)[..., 0], images[:20])
    (raw / "train-images-idx3-ubyte").write_bytes(idx(images[:20])[:-1])
    (raw / "train-images-idx3-ubyte.gz").unlink(missing_ok=True)
    with pytest.raises(InputError, match="truncated"):
        open_data("fashion-mnist", tmp_path)


def cifar_pickle(pixels: np.ndarray, labels: list[int]) -> bytes:
    """A batch as Python 2 wrote it: protocol 2, byte strings as BINSTRING."""

    def text(value: bytes) -> bytes:
        return b"T" + len(value).to_bytes(4, "little") + value

    numbers = b"".join(b"K" + bytes((label,)) for label in labels)
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87R("
        b"K\x01K" + bytes((len(labels),)) + b"M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"\x89" + text(pixels.tobytes()) + b"tb"
    )
    return (
        b"\x80\x02}("
        + text(b"batch_label") + text(b"training batch")
        + text(b"labels") + b"](" + numbers + b"e"
        + text(b"data") + array
        + text(b"filenames") + b"](" + text(b"a.png") + b"eu."
    )  # fmt: skip


@pytest.mark.parametrize("binary", [False, True])
def test_cifar_layouts_are_read_without_unpickling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binary: bool
) -> None:
    folder = tmp_path / ("cifar-10-batches-bin" if binary else "cifar-10-batches-py")
    folder.mkdir()
    planes = np.random.default_rng(0).integers(0, 256, (60, 3, 32, 32), dtype=np.uint8)
    labels = [n % 10 for n in range(60)]
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        part = slice(number * 10, number * 10 + 10)
        if binary:
            rows = [
                bytes((n,)) + p.tobytes() for n, p in zip(labels[part], planes[part], strict=True)
            ]
            (folder / f"{name}.bin").write_bytes(b"".join(rows))
        else:
            (folder / name).write_bytes(cifar_pickle(planes[part], labels[part]))
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, None)
    data = open_data("cifar10", tmp_path)
    np.testing.assert_array_equal(
        data.training.take(range(50), 32, 32), planes[:50].transpose(0, 2, 3, 1)
    )
    assert data.test.labels.tolist() == labels[50:]


@pytest.mark.parametrize("content", [b"", b"\x80\x02}.", b"garbage"])
def test_damaged_cifar_batch(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        (folder / name).write_bytes(content)
    with pytest.raises(InputError, match="no CIFAR-10 batch"):
        open_data("cifar10", tmp_path)


def folder_set(root: Path, mode: str = "RGB") -> Path:
    random = np.random.default_rng(0)
    for part, count in (("train", 3), ("test", 1)):
        for name in ("cat", "dog"):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                picture = Image.fromarray(random.integers(0, 256, (20, 24, 3), dtype=np.uint8))
                suffix = ".jpg" if number else ".png"
                picture.convert(mode).save(root / part / name / f"{number}{suffix}")
    return root


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_folder_of_images(tmp_path: Path, mode: str, channels: int) -> None:
    data = open_data(str(folder_set(tmp_path / "pets", mode)))
    assert (data.name, data.classes, data.channels) == ("pets", ("cat", "dog"), channels)
    assert (data.height, data.width) == (20, 24)
    assert data.test.take([0, 1], 32, 32).shape == (2, 32, 32, channels)


def test_folder_with_a_broken_image(tmp_path: Path) -> None:
    root = folder_set(tmp_path / "pets")
    (root / "test" / "cat" / "0.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"0\.png is not a readable image"):
        open_data(str(root)).test.take([0, 1], 32, 32)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    root = folder_set(tmp_path / "deep", "L")
    ramp = np.linspace(0, 65535, 16 * 16).reshape(16, 16).astype(np.uint16)
    for path in (root / "train").rglob("*.*"):
        path.unlink()
        Image.fromarray(ramp).save(path.with_suffix(".png"))
    data = open_data(str(root))
    assert data.channels == 1
    pixels = data.training.take([0], 16, 16)[0, ..., 0]
    np.testing.assert_allclose(pixels, ramp / 257, atol=0.51)


def test_identities_of_files_are_their_contents(tmp_path: Path) -> None:
    root = folder_set(tmp_path / "pets")
    before = open_data(str(root)).training.identities()
    twin = root / "train" / "dog" / "2.jpg"
    twin.write_bytes((root / "train" / "cat" / "0.png").read_bytes())
    after = open_data(str(root)).training.identities()
    assert before[:5] == after[:5]
    assert after[5] == after[0] != before[5]


def test_only_sets_known_by_name_are_remembered_by_it(tmp_path: Path, small_npz: Path) -> None:
    assert open_data("fashion-mnist-mini").reference == "fashion-mnist-mini"
    own = tmp_path / "fashion-mnist.npz"
    own.write_bytes(small_npz.read_bytes())
    assert open_data(str(own)).reference == "path:fashion-mnist"


NPZ_FAULTS = {
    "no x_test": ({"x_test": None}, "lacks x_test"),
    "floats": ({"x_train": np.zeros((20, 28, 28))}, "float64; expected uint8"),
    "flat": ({"x_train": np.zeros((20, 784), np.uint8)}, "expected .N, H, W."),
    "four channels": ({"x_train": np.zeros((20, 8, 8, 4), np.uint8)}, "expected .N, H, W."),
    "two sizes": ({"x_test": np.zeros((4, 32, 32), np.uint8)}, "expected one size"),
    "lengths": ({"y_train": np.arange(19)}, "for 20 images"),
    "negative label": ({"y_train": np.arange(20) - 1}, "labels start at 0"),
    "label out of range": ({"y_test": np.full(4, 9)}, "label 9 is out of range; expected 0 to 3"),
    "huge label": ({"y_test": np.full(4, 2**63, np.uint64)}, "expected labels below"),
    "float labels": ({"y_test": np.ones(4)}, "whole-number labels"),
    "one image": (
        {"x_train": np.zeros((1, 28, 28), np.uint8), "y_train": np.array([1])},
        "1 training image",
    ),
    "no test image": (
        {"x_test": np.zeros((0, 28, 28), np.uint8), "y_test": np.zeros(0, int)},
        "0 test image",
    ),
    "no training image": (
        {"x_train": np.zeros((0, 28, 28), np.uint8), "y_train": np.zeros(0, np.uint8)},
        r"0 class\(es\)",
    ),
    "one class": ({"y_train": np.zeros(20, int), "y_test": np.zeros(4, int)}, "1 class"),
    "objects": ({"x_train": np.array([{"a": 1}], dtype=object)}, "not a readable .npz"),
}


@pytest.mark.parametrize(("changes", "message"), NPZ_FAULTS.values(), ids=NPZ_FAULTS.keys())
def test_faulty_npz(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_data(str(write_npz(tmp_path / "bad.npz", **changes)))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"noise" * 9, "not a readable"), (b"PK\x03\x04cut", "not a readable")],
)
def test_no_npz_at_all(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_data(str(path))


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean fashion-mnist"):
        open_data("fashion-mnits")


def test_nowhere_to_be_had_lists_what_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*args: object) -> str:
        return "no network: unreachable"

    monkeypatch.setattr(sources, "_download", unreachable)
    with pytest.raises(MissingError) as caught:
        open_data("cifar10", tmp_path)
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert "\n" not in message
    for part in ("cifar-10-batches-py", "cifar10.npz", "download (no network", "To get it"):
        assert part in message
