"""Markdown, CSV and JSON: the same figures, escaped for what reads them; whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from nnc.errors import InputError
from nnc.toolchain.report.page.csv_rows import COLUMNS, csv_rows
from nnc.toolchain.report.page.formats import FORMATS, format_of, write_report
from nnc.toolchain.report.page.json_object import json_object
from nnc.toolchain.report.page.markdown_page import markdown_page
from nnc.toolchain.report.page.subject import Subject, read_subject

from ...made_bench import FILES, bench_result
from .made_run import run_folder

EVIL = replace(FILES[1], name='=HYPERLINK("x")|<script>`.onnx')
RESULT = bench_result([FILES[0], EVIL, FILES[3]], batch_sizes=(1, 8))


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return read_subject(run_folder(tmp_path_factory.mktemp("run") / "mine", RESULT))


def test_markdown_has_the_figures_and_escapes_the_names(subject):
    text = markdown_page([subject], "x.md")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows[0].startswith("| file | runtime | accuracy | size | parameters |")
    assert rows[3].startswith(
        r'| =HYPERLINK("x")\|\<script\>\`.onnx | ONNX Runtime | 92.25 % (91.0'
    )
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows[:5]}) == 1
    assert "**pruned.int8.onnx is 3" in text
    assert "Pruning pruned.safetensors: 93.40 % before, then" in text
    assert "| 80 % | 20.00 % |" in text
    assert "    nnc run quickstart" in text
    assert "- memory: 16.0 GB" in text


def test_csv_has_a_row_for_each_load_and_no_formulas(subject):
    text = csv_rows([subject, Subject("scan alone", "scan.json", scan=subject.scan)], "x.csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 3 * 2
    assert tuple(rows[0]) == COLUMNS
    assert [row["batch_size"] for row in rows] == ["1", "8"] * 3
    assert rows[2]["file"] == 'runs/quickstart/=HYPERLINK("x")|<script>`.onnx'
    file = RESULT["files"][2]
    assert float(rows[4]["top1"]) == file["accuracy"]["top1"]
    assert float(rows[5]["median_ms"]) == file["latency"][1]["median"]
    assert float(rows[4]["difference_low"]) == file["agreement"]["low"]
    formula = replace(FILES[0], name="x.onnx", error="=1+1")
    text = csv_rows([Subject("-2", "x", bench=bench_result([formula]))], "x.csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["result"], row["error"], row["median_ms"]) == ("'-2", "'=1+1", "")
    with pytest.raises(InputError, match="no bench result to make a table of"):
        csv_rows([Subject("scan", "scan.json", scan=subject.scan)], "x.csv")


def test_json_has_everything(subject):
    value = json.loads(json_object([subject], "x.json"))
    assert (value["schema_version"], value["kind"]) == (1, "report")
    (entry,) = value["subjects"]
    assert entry["bench"] == {**RESULT, "command": ["nnc", "run", "quickstart"]}
    assert entry["run"]["prunings"][0]["rounds"][0]["compact_parameters"] == 1_900_690
    assert entry["headline"]["claim"].startswith("pruned.int8.onnx is 3")


@pytest.mark.parametrize(
    ("name", "named", "found"),
    [
        ("a.html", None, "html"),
        ("a.htm", None, "html"),
        ("a.md", None, "markdown"),
        ("a.csv", "csv", "csv"),
        ("a.json", None, "json"),
        ("A.HTML", None, "html"),
        ("a.Md", "markdown", "markdown"),
    ],
)
def test_the_ending_says_the_format(tmp_path, name, named, found):
    assert format_of(tmp_path / name, named) == found


def test_an_ending_that_says_nothing_or_another_thing(tmp_path):
    with pytest.raises(InputError, match=r"expected a name that ends in \.html, \.md, \.csv, "):
        format_of(tmp_path / "a", None)
    with pytest.raises(InputError, match=r"expected a name that ends in \.md$"):
        format_of(tmp_path / "a.html", "markdown")


def test_what_cannot_be_made_leaves_nothing(tmp_path, subject, monkeypatch):
    def fail(_subjects, _output):
        raise KeyboardInterrupt

    monkeypatch.setitem(FORMATS, "csv", replace(FORMATS["csv"], make=fail))
    with pytest.raises(KeyboardInterrupt):
        write_report([subject], tmp_path / "new" / "a.csv")
    assert not any(tmp_path.iterdir())
    write_report([subject], tmp_path / "a.json")
    before = (tmp_path / "a.json").read_bytes()
    with pytest.raises(InputError, match="exists"):
        write_report([], tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == before
