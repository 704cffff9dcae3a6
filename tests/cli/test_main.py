"""The command group: what it loads, what it suggests, and every ending a command can have."""

from __future__ import annotations

import errno
import importlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nnc import __version__
from nnc.errors import BudgetError, InputError, MissingError, NncError
from nnc.toolchain.cli.main import ALIASES, COMMANDS
from nnc.toolchain.cli.rich_console import RichConsole

HEAVY = ("torch", "torchvision", "onnx", "onnxruntime", "onnxscript", "numpy", "rich", "PIL")


@pytest.mark.parametrize("arguments", [[], *([name] for name in (*COMMANDS, *ALIASES))], ids=str)
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys; from nnc.toolchain.cli.main import run_command_line\n"
        f"code = run_command_line({[*arguments, '--help']!r})\n"
        f"print('loaded:', sorted(set(sys.modules) & set({HEAVY!r})), code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "loaded: [] 0", done.stderr
    assert done.stdout.startswith("Usage: nnc")


def test_no_arguments_print_the_help(nnc):
    bare, asked = nnc(), nnc("--help")
    assert bare.code == asked.code == 0
    assert bare.out == asked.out
    listed = re.findall(r"^  (\w+) +[A-Z]", asked.out.partition("Commands:")[2], re.MULTILINE)
    assert listed == list(COMMANDS)
    assert "also spelled quantize" in asked.out


def test_version_by_every_way_in(nnc):
    assert nnc("--version").out == f"nnc, version {__version__}\n"
    done = subprocess.run(
        [sys.executable, "-m", "nnc", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"nnc, version {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "no command 'trian'; did you mean 'train'? (see nnc --help)"),
        (
            ["zzz"],
            f"no command 'zzz'; expected {', '.join(COMMANDS)} (see nnc --help)",
        ),
        (
            ["quantise", "x.onnx", "--sampels", "3"],
            "no option '--sampels'; did you mean '--samples'? (see nnc quantise --help)",
        ),
        (
            ["train", "--arch", "mobilnet", "-o", "x.safetensors"],
            (
                "unknown architecture 'mobilnet': expected one of alexnet, mobilenet, shufflenet; "
                "did you mean mobilenet?"
            ),
        ),
        (
            ["train", "--arch", "mobilenet", "--data", "fashionmnist", "-o", "x.safetensors"],
            (
                "no data set 'fashionmnist': expected fashion-mnist-mini, fashion-mnist, cifar10, "
                "an .npz file or a folder; did you mean fashion-mnist?"
            ),
        ),
        (
            ["run", "quikstart"],
            "no recipe 'quikstart'; did you mean 'quickstart'?",
        ),
        (
            ["inspect", "shipped:mobilenet-fashion"],
            None,
        ),
    ],
)
def test_unknown_names_get_the_nearest(nnc, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = nnc(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    if message is not None:
        assert result.err == f"nnc: error: {message}\n"
    assert not any(tmp_path.iterdir())


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch's."""


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (NncError("did not work"), 1, "did not work"),
        (InputError("x\ny \x1b[31mred"), 2, "x y [31mred"),
        (BudgetError("too slow"), 3, "too slow"),
        (MissingError("no GPU"), 4, "no GPU"),
        (MemoryError(), 1, "out of memory; use smaller images, a smaller batch or fewer samples"),
        (OutOfMemoryError("CUDA out of memory.\nTried"), 1, "out of memory: CUDA out of memory."),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "no space left on the disk; free some and run the command again",
        ),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            4,
            (
                "this needs the package torch, which is not installed; add it with: "
                'pip install "nnc-toolchain[train]" (from a clone: pip install -e ".[train]")'
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_end_in_one_line_and_their_code(nnc, monkeypatch, raised, code, message):
    _make_doctor_raise(monkeypatch, raised)
    result = nnc("doctor")
    assert (result.code, result.out, result.err) == (code, "", f"nnc: error: {message}\n")


@pytest.mark.parametrize("bug", [KeyError("x"), ImportError("no", name="nnc.gone"), OSError(5, "")])
def test_bugs_keep_their_traceback(nnc, monkeypatch, bug):
    _make_doctor_raise(monkeypatch, bug)
    with pytest.raises(type(bug)):
        nnc("doctor")


def test_a_closed_pipe_is_no_error(nnc, monkeypatch):
    _make_doctor_raise(monkeypatch, BrokenPipeError())
    assert nnc("doctor").err == ""
    program = f"{sys.executable} -m nnc inspect --help | true"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize("arguments", ["--help", "inspect --layers {}", "inspect nowhere.onnx"])
def test_closed_streams_are_no_error(tiny_onnx, arguments, closed):
    program = f"{sys.executable} -m nnc {arguments.format(tiny_onnx)} {closed}"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True)
    failed = "nowhere" in arguments
    assert (done.returncode, done.stdout) == (2 if failed else 0, "")
    assert done.stderr.count("\n") == (1 if failed and "2>" not in closed else 0)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX pipes")
def test_a_table_into_a_closed_pipe(tiny_onnx):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "nnc", "inspect", "--layers", str(tiny_onnx)],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_rich_lets_a_broken_pipe_through():
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        RichConsole(file=Broken()).print("row")


INTERRUPTED_WHILE_LOADING = """
import sys
class Strike:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Strike())
from nnc.toolchain.cli.entry import main
main()
"""


def test_an_interrupt_while_modules_load_is_one_line():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_LOADING], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "nnc: interrupted\n")


def test_the_way_in_loads_next_to_nothing():
    code = (
        "import sys; before = set(sys.modules); import nnc.toolchain.cli.entry\n"
        "print(sorted(n for n in set(sys.modules) - before if n.partition('.')[0] != 'nnc'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert {"click", "logging", "json"}.isdisjoint(eval(done.stdout)), done.stdout


def test_full_standard_output_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nnc", "doctor"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == (
        "nnc: error: no space left on the disk; free some and run the command again\n"
    )


def test_an_encoding_without_the_sign_does_not_end_a_run(tmp_path):
    name = tmp_path / "größe.onnx"
    done = subprocess.run(
        [sys.executable, "-m", "nnc", "inspect", str(name)],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1


def _make_doctor_raise(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(importlib.import_module("nnc.toolchain.diagnosis"), "diagnose", fail)
