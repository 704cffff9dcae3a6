"""Markdown, CSV and JSON: the same figures, escaped for what reads them; whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from nnc.errors import InputError
from nnc.runtimes.verdicts import Budgets, judge
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


def test_csv_has_all_that_a_spreadsheet_may_ask_for():
    result = bench_result(FILES[1:4:2])
    result["budgets"] = judge(result, Budgets(1.3, max_size_mb=2, min_speedup=50))
    result["files"][1]["warnings"] = ["one", "two"]
    (_, row) = csv.DictReader(io.StringIO(csv_rows([Subject("x", "x", bench=result)], "x.csv")))
    file = result["files"][1]
    latency = file["latency"][0]
    assert float(row["median_low_ms"]) == latency["low"]
    assert float(row["median_high_ms"]) == latency["high"]
    assert float(row["cpu_ms"]) == latency["cpu_ms"]
    assert float(row["load_ms"]) == file["load_ms"]["median"]
    assert float(row["first_inference_ms"]) == file["first_inference_ms"]["median"]
    assert (row["lost"], row["won"], row["worst_class"]) == ("50", "23", "Shirt")
    assert float(row["worst_class_top1"]) == pytest.approx(
        file["accuracy"]["worst_class"]["correct"] / 200
    )
    assert row["warnings"] == "one; two"
    assert row["budgets_held"] == "max-size-mb 2"
    assert row["budgets_missed"] == "min-speedup 50"
    assert row["budgets_not_shown"] == "max-drop 1.3"


def test_markdown_says_what_the_page_says():
    files = [*FILES[1:3], replace(FILES[3], error="it died")]
    result = bench_result(files, batch_sizes=(1, 8), profile=True)
    result["budgets"] = judge(result, Budgets(max_size_mb=6))
    subjects = [Subject(name, f"{name}.json", bench=result) for name in ("a", "b")]
    text = markdown_page(subjects, "x.md")
    lines = text.splitlines()
    assert lines[2].startswith("**pruned.onnx holds its budget, but the release gate fails because")
    (row,) = {line for line in lines if line.startswith("| pruned.int8.onnx (died) |")}
    assert "1.66 MB" in row
    assert "- pruned.int8.onnx: error: it died" in lines
    assert "it compares the 10th percentiles of each round" in text
    assert "p99 " in text
    assert "## Every number of threads and batch size" in lines
    assert len([line for line in lines if line.startswith("| 1 | 8 | pruned.onnx |")]) == 2
    assert "## Accuracy by class" in lines
    assert any(line.startswith("| Shirt | 200 | 75.5 % |") for line in lines)
    assert "Confusions that changed most:" in lines
    assert [line for line in lines if "nnc report" in line] == [
        "    nnc report a.json b.json -o x.md"
    ]


def test_json_has_everything(subject):
    value = json.loads(json_object([subject], "x.json"))
    assert (value["schema_version"], value["kind"]) == (1, "report")
    (entry,) = value["subjects"]
    assert entry["bench"] == {**RESULT, "command": ["nnc", "run", "quickstart"]}
    assert entry["run"]["prunings"][0]["rounds"][0]["compact_parameters"] == 1_900_690
    assert entry["headline"]["claim"].startswith("pruned.int8.onnx is 3")
    assert entry["headline"]["file"] == "runs/quickstart/pruned.int8.onnx"
    assert entry["headline"]["gate"] is None


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
