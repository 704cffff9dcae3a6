"""``nnc report``: a page of a run, and what it says where it cannot make one."""

from __future__ import annotations

import json
import sys

import pytest

from nnc.runtimes.install import install_command

from ..made_bench import FILES, bench_result
from ..report.page.made_run import run_folder

RESULT = bench_result(FILES[:2], images=100)


@pytest.fixture
def run(tmp_path):
    return run_folder(tmp_path / "mine", RESULT, scan=False)


def test_a_page_of_a_run(nnc, tmp_path, run):
    pytest.importorskip("matplotlib")
    output = tmp_path / "out" / "report.html"
    result = nnc("report", run, "-o", output)
    assert (result.code, result.err) == (0, "")
    assert result.last_line.startswith(f"wrote {output} (")
    assert output.read_text(encoding="utf-8").startswith("<!doctype html>")
    again = nnc("report", run, "-o", output)
    assert (again.code, again.out) == (2, "")
    assert "pass --force to replace it" in again.err
    assert nnc("report", run, "-o", output, "--force").code == 0


def test_several_results_and_other_formats(nnc, tmp_path, run):
    other = tmp_path / "other.json"
    other.write_text(json.dumps(RESULT))
    output = tmp_path / "both.md"
    result = nnc("report", run, other, "-o", output, "--json")
    value = json.loads(result.out)
    assert (value["format"], value["subjects"]) == ("markdown", ["mine", "other"])
    assert output.read_text().count("\n# ") == 1
    assert nnc("report", run, "-o", tmp_path / "x.csv", "--format", "csv").code == 0


@pytest.mark.parametrize("name", ["results.json", "run.json"])
def test_an_input_is_never_overwritten(nnc, tmp_path, run, name):
    before = (run / name).read_bytes()
    result = nnc("report", run, "-o", run / name, "--force")
    assert (result.code, result.out) == (2, "")
    assert f"output {run / name} is the input {run / name} itself; choose another" in result.err
    link = tmp_path / "link.json"
    link.symlink_to(run / name)
    assert nnc("report", run, "-o", link, "--force").code == 2
    assert (run / name).read_bytes() == before
    saved = run / "results.json"
    assert nnc("report", saved, "-o", saved, "--force").code == 2


def test_the_json_of_a_report_is_named(nnc, tmp_path, run):
    assert nnc("report", run, "-o", tmp_path / "page.json").code == 0
    for command in (("report", "-o", tmp_path / "x.md"), ("compare", run / "results.json")):
        result = nnc(*command, tmp_path / "page.json")
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert "it holds one under subjects[0].bench" in result.err


def test_without_matplotlib_html_names_what_is_missing(nnc, tmp_path, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = nnc("report", run, "-o", tmp_path / "x.html")
    assert (result.code, result.out) == (4, "")
    assert result.err.endswith(f"add it with: {install_command('report')}\n")
    assert not (tmp_path / "x.html").exists()
    for ending in ("md", "csv", "json"):
        assert nnc("report", run, "-o", tmp_path / f"x.{ending}").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'RUN_OR_JSON..' (see nnc report --help)"),
        (["gone.json", "-o", "x.html"], "gone.json does not exist"),
        (
            ["gone.json", "-o", "x"],
            "output x: expected a name that ends in .html, .md, ",
        ),
        (
            ["gone.json", "-o", "x.md", "--format", "csv"],
            "output x.md: expected a name that ends",
        ),
        (["gone.json"], "Missing option '-o' / '--output'"),
    ],
)
def test_bad_usage_is_one_line(nnc, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = nnc("report", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not any(tmp_path.iterdir())
