"""The parts of pictures that can be wrong: fronts, densities, intervals, labels, SVG."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from nnc.toolchain.report.page.files_view import views
from nnc.toolchain.report.page.palette import BLUE, SERIES, series
from nnc.toolchain.report.page.pictures.axes import free_place, short
from nnc.toolchain.report.page.pictures.distributions import density
from nnc.toolchain.report.page.pictures.layers import dearest, layer_times
from nnc.toolchain.report.page.pictures.sweep import sweeps
from nnc.toolchain.report.page.pictures.tradeoff import front, tradeoff
from nnc.toolchain.report.page.svg import Pictures

from ...made_bench import FILES, bench_result
from .reading import read_page


def test_the_front_is_what_nothing_beats_on_both():
    files = [
        replace(FILES[0], name="slow and best", ms=9.0),
        replace(FILES[1], name="fast", ms=1.0, lost=40),
        replace(FILES[1], name="slower and no better", ms=2.0, lost=40),
        replace(FILES[1], name="slower and better", ms=4.0, lost=20),
    ]
    found = front(views(bench_result(files)))
    assert [one.name for one in found] == ["fast", "slower and better", "slow and best"]


def test_a_density_is_that_of_the_percentiles():
    random = np.random.default_rng(0)
    samples = np.concatenate([random.normal(10, 1, 4000), random.normal(20, 1, 4000)])
    grid = np.linspace(5, 25, 201)
    found = density(np.percentile(samples, np.arange(101)).tolist(), grid)
    assert found.max() == 1.0
    assert found[grid == 10][0] > 0.8
    assert found[grid == 20][0] > 0.8
    assert found[grid == 15][0] < 0.35
    flat = density([7.0] * 101, grid)
    assert grid[flat.argmax()] == pytest.approx(7.0, abs=0.1)


@pytest.mark.parametrize(("dominated", "rings"), [(False, 3), (True, 1)])
def test_the_front_is_ringed_and_joined_only_where_there_are_several(dominated, rings):
    """A ring is a circle without a filling; a single file has nothing to be joined to."""
    lost = [40, 20, 0] if not dominated else [0, 20, 40]
    files = [
        replace(FILES[1], name=f"{number}.onnx", ms=number + 1.0, lost=lost[number])
        for number in range(3)
    ]
    text = tradeoff(Pictures(), views(bench_result(files)))
    hollow = [one.attributes["style"] for one in read_page(text).all("use")]
    assert sum("fill-opacity: 0; stroke: var(--ink)" in style for style in hollow) == rings
    assert ("stroke-dasharray: 4" in text) is not dominated
    assert text.count(", on the front") == rings


def test_throughput_starts_at_nothing_and_has_intervals():
    result = bench_result(FILES[1:3], batch_sizes=(1, 8))
    ((title, text),) = sweeps(Pictures(), views(result))
    page = read_page(text)
    assert title == "Throughput by batch size, 1 thread"
    assert page.all("text")[0].text == "1"
    assert "0" in [one.text for one in page.all("text")]
    bars = [
        one for one in page.all("path") if "stroke-opacity: 0.4" in one.attributes.get("style", "")
    ]
    assert len(bars) == 2 * 2


def test_a_label_goes_where_nothing_is():
    taken = [(0.0, 0.0, 100.0, 40.0)]
    x, y = free_place(taken, 50.0, 20.0, (30.0, 10.0), 5.0)
    assert x >= 100 or y >= 40 or x + 30 <= 0 or y + 10 <= 0
    assert free_place([], 50.0, 20.0, (30.0, 10.0), 5.0) == (55.0, 15.0)


def test_the_dearest_layers_by_time_or_by_limit():
    profile = bench_result(FILES[:1], profile=True)["files"][0]["profile"]
    times = [layer["ms"] for layer in dearest(profile)]
    assert times == sorted(times, reverse=True)
    assert len(times) == 12
    for layer in profile["layers"]:
        layer["ms"] = layer["share"] = None
    limits = [layer["limit_ms"] for layer in dearest(profile)]
    assert limits == sorted(limits, reverse=True)


def test_a_layer_may_be_faster_than_its_limit():
    """Bars and lines both lie within the axis, wherever the limit is."""
    result = bench_result(FILES[1:2], profile=True)
    layers = result["files"][0]["profile"]["layers"]
    for layer in layers:
        layer["limit_ms"] = 4 * layer["ms"]
    page = read_page(layer_times(Pictures(), views(result)[0]))
    assert "bar: measured, line: at best" in "".join(one.text for one in page.all("text"))
    lines = [
        float(one.attributes["d"].split()[1])
        for one in page.all("path")
        if "stroke-width: 2.2" in one.attributes.get("style", "")
    ]
    assert len(lines) == 12
    assert max(lines) < 400


@pytest.mark.parametrize(("most", "text"), [(20, "features.3.conv"), (9, "feat…conv")])
def test_a_long_name_loses_its_middle(most, text):
    assert short("features.3.conv", most) == text


def test_the_first_colour_is_the_baselines_alone():
    assert [series(place) for place in range(9)] == [*SERIES, BLUE, SERIES[2]]


def test_what_is_drawn_is_an_svg_of_the_page():
    pictures = Pictures()

    def paint(figure):
        axes = figure.subplots()
        axes.plot([1, 2], [1, 2], "o-", color=BLUE, label="$a_1$ <b>")
        axes.set_title("$a_1$ <b>&")

    first, second = (pictures.draw(paint, 200, 'a "b" <c>') for _ in range(2))
    page = read_page(first + second)
    one, other = page.all("svg")
    assert one.attributes == other.attributes
    assert one.attributes["aria-label"] == 'a "b" <c>'
    assert one.attributes["viewbox"] == "0 0 400 200"
    assert not page.all("b")
    assert any(text.text == "$a_1$ <b>&" for text in page.all("text"))
    assert "var(--s1)" in first
    assert "xmlns" not in first
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids)) > 2
