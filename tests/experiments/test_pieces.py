"""Pieces of a study that lie damaged in the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnc.errors import InputError
from nnc.toolchain.experiments.pieces import Pieces


@pytest.mark.parametrize("content", ["{half", "[]", '{"settings": {}}'])
def test_a_damaged_record_is_refused_and_force_forgets_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "reference.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="--force"):
        Pieces(tmp_path).done("reference")
    assert not Pieces(tmp_path, overwrite=True).done("reference")
