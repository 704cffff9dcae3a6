"""A process of our own Python as its parent sees it: started, asked, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from ... import errors
from ...errors import NncError
from .frames import read_frame, write_frame

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["ChildError", "ChildProcess"]

_PACKAGE = Path(__file__).resolve().parents[2]

# With -c the current folder stands first on sys.path, and a json.py or torch.py in it would be
# imported; -I would lose the user's site-packages. The package itself is loaded from where this
# one came from, so that an uninstalled checkout works too.
_START = """
import sys
sys.path[:] = [entry for entry in sys.path if entry]
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
home = sys.argv[1]
spec = spec_from_file_location("nnc", home + "/__init__.py", submodule_search_locations=[home])
sys.modules["nnc"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["nnc"])
import_module("nnc." + sys.argv[2]).main()
"""

_THREAD_VARIABLES = (
    *("MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS"),
    *("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
)
_PATIENCE = 5.0
"""Seconds that a child has to end by itself."""


class ChildError(RuntimeError):
    """An exception in a child that is no `NncError`; ``line`` tells it in short."""

    def __init__(self, path: Path, trace: str) -> None:
        super().__init__(f"a bug while running {path}\n{trace}")
        last = (trace.strip().splitlines() or [""])[-1]
        self.line = f"{path}: the process that ran it failed: {last[:200]}"


class ChildProcess:
    """A fresh Python process that serves messages; a context manager that always ends it.

    It runs ``main`` of ``module`` (as in ``runtimes.workers.worker``), which
    `nnc.runtimes.workers.child.serve` answers for, with ``threads`` threads; ``path`` is the
    file it works on and stands in messages. It is in a session of its own, so that Ctrl-C reaches
    the parent alone; it ends by itself when the parent is killed, for its input then closes.
    """

    def __init__(self, module: str, path: Path, *, threads: int) -> None:
        self.path = path
        self._module = module
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id; None outside the ``with`` block."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        threads = dict.fromkeys(_THREAD_VARIABLES, str(self._threads))
        self._log = cast("IO[bytes]", tempfile.TemporaryFile())
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", _START, str(_PACKAGE), self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, **threads},
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise NncError(f"cannot start a process to run {self.path}: {error}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is None:
            return
        try:
            if kind is None and process.poll() is None:
                with suppress(OSError, subprocess.TimeoutExpired):
                    write_frame(_open(process.stdin), {"command": "close"})
                    process.wait(_PATIENCE)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            with suppress(OSError):
                _open(process.stdin).close()
            _open(process.stdout).close()
            if self._log is not None:
                self._log.close()
            self._process = None

    def kill(self) -> None:
        """End the process at once, also while another thread waits for its reply."""
        if self._process is not None:
            self._process.kill()

    def ask(
        self, command: str, payload: bytes = b"", **settings: Any
    ) -> tuple[dict[str, Any], bytes]:
        """Send one command and wait for its reply; errors come back as they were raised there."""
        process = self._process
        if process is None:
            raise RuntimeError(f"{type(self).__name__} used outside its with block")
        try:
            write_frame(_open(process.stdin), {"command": command, **settings}, payload)
            header, data = read_frame(_open(process.stdout))
        except (OSError, EOFError) as error:
            raise NncError(self._epitaph(process)) from error
        if "error" in header:
            kind = getattr(errors, header["error"], None) if header["error"] else None
            if kind is None:
                raise ChildError(self.path, header["message"])
            raise kind(header["message"])
        return header, data

    def _epitaph(self, process: subprocess.Popen[bytes]) -> str:
        """One line on how the process ended and what it said last."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
        code = process.poll()
        if code is None:
            how = "stopped answering"
        elif code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
            how += " (out of memory?)" if -code == signal.SIGKILL else ""
        else:
            how = f"ended with exit code {code}"
        last = ""
        if self._log is not None:
            self._log.seek(0)
            lines = self._log.read().decode(errors="replace").strip().splitlines()
            last = f": {lines[-1][:200]}" if lines else ""
        return f"{self.path}: the process that ran it {how}{last}"


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("child process without pipes")
    return stream
