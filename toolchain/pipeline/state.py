"""What a run has finished, kept in its folder so that the next one goes on from there."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...whole_files import sha256_of, write_whole

__all__ = ["STATE_FILE", "RunState", "fingerprint", "only_run_in"]

STATE_FILE = "run.json"
LOCK_FILE = ".run.lock"
SCHEMA_VERSION = 1
STARTED = {"fingerprint"}
FINISHED = STARTED | {"sha256", "size_bytes", "seconds", "result"}


def fingerprint(**parts: Any) -> str:
    """SHA-256 of everything a stage's output depends on, as canonical JSON."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class RunState:
    """The finished and the started stages of one folder, by output name."""

    def __init__(self, directory: Path, recipe: str) -> None:
        """Read ``run.json``; raises InputError where it is damaged or of another recipe."""
        self._path = directory / STATE_FILE
        self._directory = directory
        self._recipe = recipe
        self._stages: dict[str, dict[str, Any]] = {}
        if not self._path.exists():
            return
        try:
            state = json.loads(self._path.read_text(encoding="utf-8"))
            version, owner, stages = state["schema_version"], state["recipe"], state["stages"]
            self._stages = {str(name): _entry(entry) for name, entry in stages.items()}
            json.dumps(state, allow_nan=False)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{self._path} is damaged; delete it or choose another -o") from error
        if version != SCHEMA_VERSION or owner != recipe:
            raise InputError(
                f"{directory} holds a run of recipe '{owner}' (state version {version}); "
                "choose another -o"
            )

    def finished(self, output: str, expected: str) -> dict[str, Any] | None:
        """The record of ``output`` if it is finished, by the same fingerprint, and untouched."""
        entry = self._stages.get(output)
        path = self._directory / output
        if entry is None or entry.get("fingerprint") != expected or "sha256" not in entry:
            return None
        if not path.is_file() or sha256_of(path) != entry["sha256"]:
            return None
        return entry

    def owns(self, output: str) -> bool:
        """Whether a file of that name is this recipe's to replace."""
        return output in self._stages

    def mark_of(self, output: str) -> str | None:
        """The fingerprint that ``output`` was made or started with, None where it never was."""
        entry = self._stages.get(output)
        return None if entry is None else str(entry["fingerprint"])

    def start(self, output: str, expected: str) -> None:
        """Record that ``output`` is being made: whatever stands there is ours from now on."""
        self._stages[output] = {"fingerprint": expected}
        self._write()

    def finish(self, output: str, expected: str, result: Mapping[str, Any], seconds: float) -> None:
        """Record ``output`` as made."""
        path = self._directory / output
        self._stages[output] = {
            "fingerprint": expected,
            "sha256": sha256_of(path),
            "size_bytes": path.stat().st_size,
            "seconds": round(seconds, 1),
            "result": dict(result),
        }
        self._write()

    def record(self, output: str) -> dict[str, Any]:
        """The record of a finished ``output``."""
        return self._stages[output]

    def _write(self) -> None:
        state = {
            "schema_version": SCHEMA_VERSION,
            "recipe": self._recipe,
            "stages": self._stages,
        }
        with write_whole(self._path, overwrite=True) as temporary:
            temporary.write_text(
                json.dumps(state, indent=1, default=str, allow_nan=False), encoding="utf-8"
            )


def _entry(value: Any) -> dict[str, Any]:
    """A stage's record as `RunState` writes it; ValueError for anything else."""
    entry = dict(value)
    sizes = (entry.get("size_bytes", 0), entry.get("seconds", 0))
    if (
        set(entry) not in (STARTED, FINISHED)
        or not isinstance(entry["fingerprint"], str)
        or not isinstance(entry.get("sha256", ""), str)
        or not isinstance(sizes[0], int)
        or not all(isinstance(size, (int, float)) and 0 <= size < 2**63 for size in sizes)
        or not isinstance(entry.get("result", {}), dict)
    ):
        raise ValueError("not a stage's record")
    return entry


@contextmanager
def only_run_in(directory: Path) -> Iterator[None]:
    """Hold the folder's lock; InputError where another run holds it.

    The lock is the operating system's, so it ends with the process however that ends; the empty
    lock file itself stays. Where the block raises and has written nothing, it goes too, with the
    folders made for it.
    """
    lock = directory / LOCK_FILE
    new_folders = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    new_lock = not lock.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot write into {directory}: {reason}") from error
    try:
        if not _lock(handle) or not _is_still(lock, handle):
            raise InputError(
                f"another nnc run is at work in {directory}; wait for it or choose another -o"
            )
        try:
            yield
        except BaseException:
            if new_lock:
                _remove_alone(lock, new_folders)
            raise
    finally:
        os.close(handle)


def _is_still(lock: Path, handle: int) -> bool:
    """Whether the name still leads to the locked file: a run that fails at once removes it."""
    try:
        return os.path.samestat(lock.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _remove_alone(lock: Path, folders: Iterable[Path]) -> None:
    """Remove the lock file, and ``folders`` from the inmost on, if nothing else lies beside it."""
    with suppress(OSError):  # in use by another run meanwhile, or open as on Windows
        if [path.name for path in lock.parent.iterdir()] != [lock.name]:
            return
        lock.unlink()
        for folder in folders:
            folder.rmdir()


def _lock(handle: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
