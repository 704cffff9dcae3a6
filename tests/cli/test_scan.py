"""``nnc scan``: a folder written, a line that says so, bad input refused."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("matplotlib")


def test_the_command_writes_the_folder_and_says_so(nnc, tmp_path, small_npz) -> None:
    output = tmp_path / "scan"
    result = nnc(
        *("scan", "shipped:mobilenet-fashion-mnist", "--sensitivities", "0.2", "--no-layers"),
        *("--images", 20, "--jobs", 1, "--data", small_npz, "-o", output),
    )
    assert (result.code, result.err) == (0, "")
    assert result.last_line.startswith(f"wrote {output / 'scan.json'} (")
    assert {path.name for path in output.iterdir()} == {"scan.json", "scan.png"}


def test_a_damaged_record_is_refused_or_replaced_and_guessing_is_warned_of(
    nnc, tmp_path, small_npz, checkpoint
) -> None:
    output = tmp_path / "scan"
    output.mkdir()
    command = (
        *("scan", checkpoint, "--sensitivities", "0.2", "--no-layers", "--images", 20),
        *("--jobs", 1, "--data", small_npz, "-o", output),
    )
    for text in ("", "{", "\0\1", '{"schema_version": 1}', "[]"):
        (output / "scan.json").write_text(text)
        result = nnc(*command)
        assert (result.code, result.out) == (2, "")
        assert "scan.json" in result.err
        assert result.err.count("\n") == 1
        assert (output / "scan.json").read_text() == text
    result = nnc(*command, "--force")
    assert result.code == 0
    assert json.loads((output / "scan.json").read_text())["complete"]
    # The network is not trained.
    assert result.err.startswith("WARNING nnc.toolchain.scan.scan: unpruned, the network is right")
    assert "of 20 images, no more than chance among 10 classes" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sensitivities", "a"], "no list of numbers"),
        (["--sensitivities", "0.5,0.2"], "rising"),
        (["--method", "magic"], "magic"),
        (["--criterion", "magic"], "magic"),
        ([], "does not exist"),
    ],
)
def test_bad_input_is_one_line_and_code_2(nnc, tmp_path, options, message) -> None:
    result = nnc("scan", tmp_path / "x.safetensors", *options, "-o", tmp_path / "out")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
