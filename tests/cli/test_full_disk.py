"""A disk that fills up: one line, code 1, nothing half-written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

resource = pytest.importorskip("resource")


@contextmanager
def full() -> Iterator[None]:
    """Files cannot grow beyond 512 bytes: the system says so as it does of a full disk.

    No longer than needed: what pytest itself writes may go to a file, too.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


COMMANDS = {
    "compact": (["{onnx}"], "out.onnx"),
    "scan": (
        ["{checkpoint}", "--sensitivities", "0.3", "--no-layers", "--images", "20", "--jobs", "1",
         "--data", "{data}"],
        "out",
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_one_line_and_nothing_half_written(
    nnc, tmp_path: Path, checkpoint: Path, tiny_onnx: Path, small_npz: Path, command: str
) -> None:
    if command == "scan":
        pytest.importorskip("matplotlib")
    arguments, name = COMMANDS[command]
    given = {"checkpoint": checkpoint, "onnx": tiny_onnx, "data": small_npz}
    line = [one.format(**given) for one in arguments]
    with full():
        result = nnc(command, *line, "-o", tmp_path / name)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"nnc: error: cannot write {tmp_path / 'out'}")
    assert result.err.endswith(": no space left on the disk; free some and run the command again\n")
    assert result.err.count("\n") == 1
    assert not any(tmp_path.iterdir())
