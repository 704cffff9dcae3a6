"""Figures: one style, the same bytes each time, labels apart, a plain word if lacking."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from nnc.errors import InputError, MissingError
from nnc.toolchain.report import figure


def _two_curves(canvas) -> None:
    axes = canvas.subplots()
    axes.plot([0, 0.5], [0.9, 0.8])
    axes.set_ylim(0, 1)
    figure.percent_axis(axes.yaxis)
    figure.label_ends(axes, [(0.5, 0.8, "one", figure.BLUE), (0.5, 0.801, "two", figure.GREEN)])


def test_the_same_numbers_give_the_same_bytes_whatever_the_users_style() -> None:
    import matplotlib as mpl

    first = figure.draw(_two_curves, width=3, height=2)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert figure.draw(_two_curves, width=3, height=2) == first
    width, height = struct.unpack(">II", first[16:24])
    assert (width, height) == (3 * figure.DPI, 2 * figure.DPI)


def test_drawing_leaves_the_users_style_and_backend_alone() -> None:
    import matplotlib as mpl

    before = [mpl.rcParams[name] for name in ("font.size", "axes.grid", "lines.linewidth")]
    figure.draw(_two_curves, width=2, height=2)
    after = [mpl.rcParams[name] for name in ("font.size", "axes.grid", "lines.linewidth")]
    assert after == before
    assert "matplotlib.pyplot" not in sys.modules


def test_labels_at_one_height_move_apart_and_lone_ones_stay() -> None:
    seen = []

    def paint(canvas) -> None:
        axes = canvas.subplots()
        axes.set_ylim(0, 1)
        axes.set_xlim(0, 1)
        labels = [(1, 0.5, "a", "k"), (1, 0.51, "b", "k"), (0.9, 0.9, "c", "k")]
        figure.label_ends(axes, labels, gap=0.1)
        seen.extend((text.get_text(), text.xy) for text in axes.texts)

    figure.draw(paint, width=3, height=2)
    heights = {name: place[1] for name, place in seen}
    assert heights["b"] - heights["a"] == pytest.approx(0.1)
    assert (heights["a"] + heights["b"]) / 2 == pytest.approx(0.505)
    assert heights["c"] == pytest.approx(0.9)
    assert {place[0] for _, place in seen} == {1.0}


def test_a_figure_is_written_whole_and_replaced_only_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "a" / "figure.png"
    figure.write_figure(path, b"one")
    with pytest.raises(InputError, match="exists"):
        figure.write_figure(path, b"two")
    figure.write_figure(path, b"two", overwrite=True)
    assert path.read_bytes() == b"two"
    assert [one.name for one in path.parent.iterdir()] == ["figure.png"]


def test_without_matplotlib_one_line_says_how_to_add_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingError, match=r"matplotlib.*pip install") as raised:
        figure.check_drawing()
    assert "\n" not in str(raised.value)
