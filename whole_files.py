"""Files that are written whole or not at all, and the hash that names their content."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InputError, NncError

__all__ = [
    "check_apart",
    "check_input",
    "check_output",
    "disk_full",
    "same_file",
    "sha256_of",
    "write_text",
    "write_whole",
]

_DISK_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""No space, a file over the size limit, and (where the system has them) a used-up quota."""


def check_input(path: Path) -> Path:
    """Return ``path`` if it names a readable, non-empty file; raise InputError otherwise."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a directory; expected a file")
        if not path.exists():
            raise InputError(f"{path} does not exist")
        if not path.is_file():
            raise InputError(f"{path} is not a regular file")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {_reason(error)}") from error
    return path


def check_output(path: Path, *, overwrite: bool = False) -> Path:
    """Return ``path`` if a file can be written there, before any long work starts.

    Nothing is made yet: missing parent folders count as writable where the nearest folder that
    exists is. Raises InputError where the path is a directory, exists (unless ``overwrite``) or
    cannot be written.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a directory; expected a file name")
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists; choose another -o or pass --force to replace it")
        missing, folder = _missing_folders(path)
        if not folder.is_dir():
            raise InputError(f"cannot write {path}: {folder} is not a directory")
        for one in (*missing, path):
            # Asked for beside what exists, a name that no file may have is refused at once.
            _stands(folder / one.name)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write {path}: {_reason(error)}") from error
    return path


def check_apart(output: Path, inputs: Iterable[Path]) -> None:
    """Raise InputError where ``output`` is one of ``inputs``, which writing it would destroy."""
    for path in inputs:
        if same_file(output, path):
            raise InputError(f"output {output} is the input {path} itself; choose another -o")


def same_file(first: Path, second: Path) -> bool:
    """Whether two names lead to one file, through links and other spellings too."""
    try:
        return first.samefile(second)
    except (OSError, ValueError):  # one of them does not exist, or cannot
        return first.absolute() == second.absolute()


@contextmanager
def write_whole(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it to ``path`` when the block ends well.

    If the block raises (also on Ctrl-C), the temporary file is removed and whatever stood at
    ``path`` stays; parent folders made for it go again. Raises InputError as `check_output` does,
    NncError where the disk is full.
    """
    check_output(path, overwrite=overwrite)
    missing, _ = _missing_folders(path)
    temporary = None
    written = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name[:40]}.", suffix=f".part{path.suffix[:16]}"
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _flush(temporary)
        temporary.chmod(0o666 & ~_umask())
        if overwrite:
            temporary.replace(path)
        else:
            _rename_new(temporary, path)
        written = True
    except OSError as error:
        raise NncError(f"cannot write {path}: {_reason(error)}") from error
    finally:
        with suppress(OSError):
            if temporary is not None:
                temporary.unlink()
        with suppress(OSError):
            # Only empty folders go: another process may have put files there meanwhile.
            for folder in () if written else missing:
                folder.rmdir()


def write_text(path: Path, text: str) -> None:
    """Replace a text file (UTF-8), whole or not at all."""
    with write_whole(path, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")


def disk_full(error: OSError) -> bool:
    """Whether a file could not be written for want of space: disk, quota or file-size limit."""
    return error.errno in _DISK_FULL


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InputError(f"cannot read {path}: {_reason(error)}") from error
    return digest.hexdigest()


def _rename_new(source: Path, target: Path) -> None:
    """Give ``source`` the name ``target`` unless somebody else took that name meanwhile."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise InputError(f"{target} appeared meanwhile; pass --force to replace it") from None
    except OSError:  # a file system without hard links
        source.replace(target)


def _missing_folders(path: Path) -> tuple[list[Path], Path]:
    """The parents of ``path`` that are not there, innermost first, and the first that is."""
    missing = []
    folder = path.parent
    while not _stands(folder) and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    return missing, folder


def _stands(path: Path) -> bool:
    """Whether anything has this name, a broken link too; OSError where that cannot be told."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and disk_full(error):
        return "no space left on the disk; free some and run the command again"
    return (getattr(error, "strerror", None) or str(error)).lower()
