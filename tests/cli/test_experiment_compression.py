"""``nnc experiment compression``: help that loads nothing heavy, bad input refused in one line."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

RUN = ("experiment", "compression", "--arch")


def test_help_names_the_files_it_writes(nnc) -> None:
    result = nnc(*RUN[:2], "--help")
    assert result.code == 0
    for name in ("compression.json", "compression.md", "compression.png"):
        assert name in result.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nonsense"], "nonsense"),
        (["mobilenet", "--methods", "magic"], "magic"),
        (["mobilenet", "--sensitivities", "0.5,x"], "no list of numbers"),
        (["mobilenet", "--sensitivities", "0.5,0.4"], "rising"),
        (["mobilenet", "--data", "nowhere"], "nowhere"),
        (["shufflenet", "--checkpoint", "shipped:mobilenet-fashion-mnist"], "expected shufflenet"),
        (["mobilenet", "--checkpoint", "missing.safetensors"], "does not exist"),
    ],
)
def test_bad_input_is_one_line_and_code_2(nnc, tmp_path, options, message) -> None:
    data = [] if "--data" in options else ["--data", "fashion-mnist-mini"]
    result = nnc(*RUN, *options, *data, "-o", tmp_path / "out")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
