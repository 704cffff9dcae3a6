"""Bad files, bad outputs, bad data: one line, exit code 2, nothing written."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

from .conftest import UNGUARDED

READERS = {
    ".onnx": [
        ["quantise", "{}", "-o", "out.onnx"],
        ["bench", "{}"],
        ["inspect", "{}"],
    ],
    ".safetensors": [
        ["prune", "{}", "--sensitivity", "0.4", "-o", "out.safetensors"],
        ["export", "{}", "-o", "out.onnx"],
        ["bench", "{}"],
        ["inspect", "{}"],
    ],
}


def _missing(path, _good):
    assert not path.exists()


def _directory(path, _good):
    path.mkdir()


def _empty(path, _good):
    path.touch()


def _random(path, _good):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def _truncated(path, good):
    path.write_bytes(good.read_bytes()[: good.stat().st_size // 2])


def _pickle(path, _good):
    path.write_bytes(pickle.dumps({"weight": 1}))


def _zipped_pickle(path, _good):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))


def _text(path, _good):
    path.write_text("not a model\n" * 100)


DAMAGES = [
    _missing, _directory, _empty, _random, _truncated, _pickle, _zipped_pickle, _text,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
@pytest.mark.parametrize("suffix", READERS)
def test_damaged_files(nnc, tmp_path, monkeypatch, tiny_onnx, checkpoint, suffix, damage):
    path = tmp_path / f"bad{suffix}"
    damage(path, tiny_onnx if suffix == ".onnx" else checkpoint)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    for command in READERS[suffix]:
        result = nnc(*(part.format(path) for part in command))
        assert (result.code, result.out) == (2, ""), command
        assert result.err.startswith("nnc: error: "), command
        assert result.err.count("\n") == 1, command
        assert str(path) in result.err, command
        assert sorted(tmp_path.iterdir()) == before, command


@pytest.mark.parametrize("command", ["bench", "inspect"])
def test_unknown_kind_of_file(nnc, tmp_path, command):
    path = tmp_path / "model.pt"
    path.write_bytes(b"123")
    result = nnc(command, path)
    assert result.code == 2
    assert result.err == (
        f"nnc: error: {path} ends in '.pt'; "
        "expected a file that ends in .onnx, .safetensors or .engine\n"
    )


def _commands(tiny_onnx, checkpoint, small_npz, output):
    return {
        "train": ["train", "--arch", "mobilenet", "--data", small_npz, "-o", output],
        "prune": ["prune", checkpoint, "--sensitivity", "0.4", "-o", output],
        "export": ["export", checkpoint, "-o", output],
        "quantise": ["quantise", tiny_onnx, "-o", output],
        "bench": ["bench", tiny_onnx, "-o", output],
    }


SUFFIX = {
    "train": ".safetensors",
    "prune": ".safetensors",
    "export": ".onnx",
    "quantise": ".onnx",
    "bench": ".json",
}


@pytest.mark.parametrize("name", SUFFIX)
class TestOutput:
    def test_that_exists_is_kept(self, nnc, tmp_path, tiny_onnx, checkpoint, small_npz, name):
        output = tmp_path / f"taken{SUFFIX[name]}"
        output.write_text("mine")
        result = nnc(*_commands(tiny_onnx, checkpoint, small_npz, output)[name])
        assert result.code == 2
        assert result.err == (
            f"nnc: error: {output} exists; choose another -o or pass --force to replace it\n"
        )
        assert output.read_text() == "mine"

    def test_below_a_file_cannot_be_written(
        self, nnc, tmp_path, tiny_onnx, checkpoint, small_npz, name
    ):
        (tmp_path / "file").write_text("mine")
        output = tmp_path / "file" / f"out{SUFFIX[name]}"
        result = nnc(*_commands(tiny_onnx, checkpoint, small_npz, output)[name])
        assert result.code == 2
        assert result.err.startswith(f"nnc: error: cannot write {output}: ")
        assert result.err.count("\n") == 1

    def test_of_another_kind_is_refused(
        self, nnc, tmp_path, tiny_onnx, checkpoint, small_npz, name
    ):
        output = tmp_path / "out.txt"
        result = nnc(*_commands(tiny_onnx, checkpoint, small_npz, output)[name])
        assert (result.code, result.err) == (
            2,
            f"nnc: error: output {output}: expected a name that ends in {SUFFIX[name]}\n",
        )

    def test_that_is_a_directory_is_refused(
        self, nnc, tmp_path, tiny_onnx, checkpoint, small_npz, name
    ):
        output = tmp_path / f"folder{SUFFIX[name]}"
        output.mkdir()
        result = nnc(*_commands(tiny_onnx, checkpoint, small_npz, output)[name], "--force")
        assert (result.code, result.err) == (
            2,
            f"nnc: error: {output} is a directory; expected a file name\n",
        )


@pytest.mark.parametrize("given", ["quantise", "prune"])
def test_output_that_is_the_input(nnc, tiny_onnx, checkpoint, given):
    source = tiny_onnx if given == "quantise" else checkpoint
    more = ["--sensitivity", "0.1"] if given == "prune" else []
    result = nnc(given, source, *more, "-o", source, "--force")
    assert (result.code, result.err) == (
        2,
        f"nnc: error: output {source} is the input itself; choose another -o\n",
    )


@pytest.mark.parametrize("spelling", ["link", "other way"])
@pytest.mark.parametrize("given", ["quantise", "prune"])
def test_output_that_is_the_input_by_another_name(
    nnc, tmp_path, tiny_onnx, checkpoint, given, spelling
):
    original = tiny_onnx if given == "quantise" else checkpoint
    source = tmp_path / original.name
    source.write_bytes(original.read_bytes())
    (tmp_path / "folder").mkdir()
    if spelling == "link":
        output = tmp_path / f"link{source.suffix}"
        output.symlink_to(source)
    else:
        output = tmp_path / "folder" / ".." / source.name
    more = ["--sensitivity", "0.1"] if given == "prune" else []
    result = nnc(given, source, *more, "-o", output, "--force")
    assert (result.code, result.err) == (
        2,
        f"nnc: error: output {output} is the input itself; choose another -o\n",
    )
    assert source.read_bytes() == original.read_bytes()


def test_a_disk_that_fills_up(nnc, tmp_path, tiny_onnx, small_npz):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    output = tmp_path / "out.onnx"
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, before[1]))
        result = nnc("quantise", tiny_onnx, *UNGUARDED, "--data", small_npz, "-o", output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert not any(tmp_path.iterdir())


def _npz(path, **changes):
    arrays = {
        "x_train": np.zeros((40, 28, 28), np.uint8),
        "y_train": np.arange(40) % 10,
        "x_test": np.zeros((10, 28, 28), np.uint8),
        "y_test": np.arange(10),
        **changes,
    }
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_train": np.zeros((40, 28, 28, 3), np.uint8),
          "x_test": np.zeros((10, 28, 28, 3), np.uint8)}, "channel"),
        ({"x_train": np.zeros((1, 28, 28), np.uint8), "y_train": np.zeros(1, int)}, "at least"),
        ({"y_test": np.full(10, 99)}, "label"),
        ({"y_train": np.arange(40) - 5}, "label"),
        ({"x_train": np.zeros((40, 28), np.uint8)}, "x_train"),
        ({"x_train": np.array([{}] * 40, dtype=object)}, "npz"),
    ],
    ids=["channels", "one image", "labels over", "labels under", "no images", "objects"],
)  # fmt: skip
@pytest.mark.parametrize("command", ["quantise", "bench"])
def test_data_that_does_not_fit(nnc, tmp_path, tiny_onnx, changes, words, command):
    data = _npz(tmp_path / "bad.npz", **changes)
    output = tmp_path / "out.onnx"
    more = ["-o", output] if command == "quantise" else []
    result = nnc(command, tiny_onnx, "--data", data, *more)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("nnc: error: ")
    assert words in result.err
    assert result.err.count("\n") == 1
    assert not output.exists()


def test_more_classes_than_the_network_knows(nnc, tmp_path, tiny_onnx):
    data = _npz(tmp_path / "many.npz", y_train=np.arange(40) % 12)
    result = nnc("bench", tiny_onnx, "--data", data)
    assert (result.code, result.err) == (
        2,
        f"nnc: error: {tiny_onnx} has 10 classes; many has 12; choose the data it was trained on\n",
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--mean", "a"], "'a' is no list of numbers"),
        (["--mean", "0.5,0.5,0.5"], "expected 1 finite number(s)"),
        (["--std", "0"], "expected numbers above 0"),
        (["--image-size", "32"], "28"),
        (["--labels", "a,b,c"], "3 labels"),
        (["--labels", "nowhere.txt"], "neither a comma list nor a readable text file"),
        (["--samples", "0"], "0 is not in the range x>=1"),
        (["--target", "avx9"], "'avx9' is not one of"),
        (["--backend", "tflite"], "'tflite' is not"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_options_out_of_range(nnc, tmp_path, foreign_onnx, small_npz, options, words):
    output = tmp_path / "out.onnx"
    result = nnc("quantise", foreign_onnx, *UNGUARDED, "--data", small_npz, "-o", output, *options)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
    assert result.err.count("\n") == 1
    assert not output.exists()


def test_a_foreign_file_without_a_data_set(nnc, foreign_onnx):
    for command in ("quantise", "bench"):
        result = nnc(command, foreign_onnx)
        assert result.code == 2
        assert "records no data set; pass --data NAME" in result.err
