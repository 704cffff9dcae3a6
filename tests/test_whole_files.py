"""Files are there whole or not at all, and a place that cannot be written is told at once."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nnc.errors import InputError, NncError
from nnc.whole_files import check_output, disk_full, sha256_of, write_whole


def half_write(path: Path, error: BaseException, *, overwrite: bool = False) -> None:
    with write_whole(path, overwrite=overwrite) as temporary:
        temporary.write_text("half")
        raise error


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_checking_makes_nothing_and_writing_makes_the_folders(tmp_path):
    path = tmp_path / "a" / "b" / "out.txt"
    assert check_output(path) == path
    assert names(tmp_path) == []
    with write_whole(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".txt"
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert names(path.parent) == ["out.txt"]


def test_a_relative_name_is_checked_where_the_command_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_output(Path("out.txt")) == Path("out.txt")
    assert check_output(Path("a/out.txt")) == Path("a/out.txt")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("file/out.txt", "file is not a directory"),
        ("file/a/b/out.txt", "file is not a directory"),
        ("broken/out.txt", "broken is not a directory"),
        ("folder", "is a directory; expected a file name"),
        ("file", "exists; choose another -o or pass --force"),
        ("x" * 300, "file name too long"),
        ("a/" + "x" * 300, "file name too long"),
        ("a/" + "x" * 300 + "/out.txt", "file name too long"),
        ("nul\0", "null"),
    ],
    ids=lambda text: text[:20],
)
def test_places_that_cannot_be_written_are_refused(tmp_path, place, message):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=message):
        check_output(tmp_path / place)
    assert names(tmp_path) == ["broken", "file", "folder"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("place", ["/proc/out.txt", "/proc/a/b/out.txt"])
def test_a_file_system_that_takes_no_files_is_refused(place):
    with pytest.raises(InputError, match=f"cannot write {place}: "):
        check_output(Path(place))


def test_a_read_only_folder_is_refused_above_missing_ones_too(tmp_path, monkeypatch):
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    for place in ("out.txt", "a/b/out.txt"):
        with pytest.raises(InputError, match="read-only file system"):
            check_output(tmp_path / place)


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(143)], ids=repr)
@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_left_when_the_block_raises(tmp_path, error, overwrite):
    kept = tmp_path / "kept.txt"
    if overwrite:
        kept.write_text("kept")
    for path in (kept, tmp_path / "a" / "b" / "out.txt"):
        with pytest.raises(type(error)):
            half_write(path, error, overwrite=overwrite)
    assert names(tmp_path) == (["kept.txt"] if overwrite else [])
    assert not overwrite or kept.read_text() == "kept"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_line_and_keeps_the_target(tmp_path, number):
    path = tmp_path / "out.txt"
    path.write_text("kept")
    with (
        pytest.raises(NncError, match=r"out\.txt: no space left on the disk; free some"),
        write_whole(path, overwrite=True),
    ):
        raise OSError(number, os.strerror(number))
    assert names(tmp_path) == ["out.txt"]
    assert path.read_text() == "kept"
    assert disk_full(OSError(number, ""))
    assert not disk_full(OSError(errno.EACCES, ""))


def test_a_failing_rename_keeps_the_target(tmp_path, monkeypatch):
    path = tmp_path / "out.txt"
    path.write_text("kept")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with (
        pytest.raises(NncError, match="permission denied"),
        write_whole(path, overwrite=True) as temporary,
    ):
        temporary.write_text("new")
    assert names(tmp_path) == ["out.txt"]
    assert path.read_text() == "kept"


def test_a_file_that_appears_meanwhile_is_kept_unless_forced(tmp_path):
    path = tmp_path / "out.txt"
    with (
        pytest.raises(InputError, match="appeared meanwhile; pass --force"),
        write_whole(path),
    ):
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    with write_whole(path, overwrite=True) as temporary:
        temporary.write_text("ours")
    assert path.read_text() == "ours"
    assert names(tmp_path) == ["out.txt"]


def test_folders_that_others_use_meanwhile_stay(tmp_path):
    path = tmp_path / "a" / "out.txt"
    # Its temporary file gone, the writing fails.
    with pytest.raises(NncError), write_whole(path) as temporary:
        temporary.rename(temporary.parent / "other.txt")
    assert names(tmp_path / "a") == ["other.txt"]


def test_a_name_of_the_longest_kind_can_be_written(tmp_path):
    path = tmp_path / ("ä" * 120 + ".txt")
    with write_whole(path) as temporary:
        temporary.write_text("x")
    assert sha256_of(path).startswith("2d711642")
