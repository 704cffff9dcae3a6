"""``nnc experiment``: its studies by name, and bad usage in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("nnc")

OVERFIT = ("experiment", "overfit", "--arch", "shufflenet")


def test_lists_its_studies(nnc) -> None:
    done = nnc("experiment", "--help")
    assert done.code == 0
    assert "overfit " in done.out
    assert "compression " in done.out


@pytest.mark.parametrize("study", ["overfit", "compression"])
def test_help_loads_nothing_heavy(study: str) -> None:
    code = (
        "import sys\n"
        "from nnc.toolchain.cli.main import run_command_line\n"
        f"run_command_line(['experiment', {study!r}, '--help'])\n"
        "print(sorted(set(sys.modules) & "
        "{'torch', 'onnx', 'onnxruntime', 'matplotlib', 'numpy', 'rich'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("experiment", "overfitt", "-o", "x"), "no experiment 'overfitt'; did you mean 'overfit'"),
        ((*OVERFIT,), "Missing option '-o'"),
        ((*OVERFIT, "-o", "x", "--sensitivities", "a"), "'a' is no list of numbers"),
        ((*OVERFIT, "-o", "x", "--sensitivities", "0.2,1"), "expected fractions above 0"),
        ((*OVERFIT, "-o", "x", "--seeds", "0"), "--seeds"),
        ((*OVERFIT, "-o", "x", "--data", "nowhere"), "no data set 'nowhere'"),
        (("experiment", "overfit", "--arch", "lenet", "-o", "x"), "unknown architecture 'lenet'"),
    ],
)
def test_bad_usage(nnc, tmp_path, monkeypatch, arguments, message) -> None:
    monkeypatch.chdir(tmp_path)
    done = nnc(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_where_the_folder_should_be(nnc, tmp_path) -> None:
    (tmp_path / "study").write_text("mine")
    done = nnc(*OVERFIT, "-o", tmp_path / "study")
    assert done.code == 2
    assert done.err.count("\n") == 1
