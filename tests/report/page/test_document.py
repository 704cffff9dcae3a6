"""The page: whole, alone, safe whatever the strings in a result are, and said in words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

pytest.importorskip("matplotlib")

from nnc.runtimes.verdicts import Budgets, judge
from nnc.toolchain.report.page.document import html_page
from nnc.toolchain.report.page.subject import Subject, read_subject

from ...made_bench import FILES, LABELS, bench_result, spoilt
from .made_run import run_folder
from .reading import read_page

EVIL = "<script>alert(1)</script>"
ANGRY = "\"'><img src=x onerror=alert(2)> &amp; $x^2$ \x1b[31m\u202e ]]> -->"

ADDRESS = re.compile(r"(?i)\b(https?|ftp|data|javascript|file):|//|url\((?!#)|@import")


def _everything():
    """A result with all that a page can show."""
    result = bench_result(profile=True, threads=(1, 2), batch_sizes=(1, 8))
    result["budgets"] = judge(result, Budgets(1.5, 0.25, 2, 20))
    result["files"][3]["warnings"] = ["a warning"]
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("run") / "quickstart", _everything())


@pytest.fixture(scope="module")
def text(folder):
    return html_page([read_subject(folder)], "report.html")


@pytest.fixture(scope="module")
def page(text):
    return read_page(text)


def test_it_needs_nothing_but_itself(page, text):
    assert text.startswith("<!doctype html>\n<html lang=")
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    sheet = page.all("style")
    assert len(sheet) == 1
    assert not ADDRESS.search(sheet[0].text)
    for element in page.elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on"), element
            if name in ("href", "src", "action", "style", "clip-path", "fill"):
                assert not ADDRESS.search(value), element
    (policy,) = [one for one in page.all("meta") if "http-equiv" in one.attributes]
    assert policy.attributes["http-equiv"] == "Content-Security-Policy"
    assert policy.attributes["content"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "script-src" not in policy.attributes["content"]
    place = page.elements.index(policy)
    assert all(one.name in ("html", "head", "meta") for one in page.elements[:place])


def test_ids_are_unique_and_references_lead_somewhere(page, text):
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]+)\)", text))
    used |= {
        one.attributes["href"][1:]
        for one in page.elements
        if one.attributes.get("href", "").startswith("#")
    }
    assert used <= set(ids)
    assert len(used) > 10


def test_every_picture_has_words_and_a_title(page):
    pictures = page.all("svg")
    assert len(pictures) == 2 + 3 + 1 + 2 * 4 + 1 + 2
    for picture in pictures:
        assert picture.attributes["role"] == "img"
        assert len(picture.attributes["aria-label"]) > 40
        assert picture.attributes["viewbox"].startswith("0 0 400 ")
        assert "figure" in picture.parents
    assert len(page.all("h4")) >= len(pictures)


def test_pictures_take_the_readers_theme_and_font(page, text):
    """No colour is fixed, no font named; every variable is in the style sheet, for both themes."""
    sheet = page.all("style")[0].text
    body = text.partition("</style>")[2]
    assert not re.findall(r"#[0-9a-fA-F]{6}\b", body)
    assert "font-family" not in body
    used = set(re.findall(r"var\((--[\w-]+)\)", text))
    light, _, dark = sheet.partition("@media (prefers-color-scheme: dark)")
    dark = dark.partition("}\n}")[0]
    assert used <= set(re.findall(r"(--[\w-]+):", light))
    once = set(re.findall(r"(--[\w-]+):", light)) - set(re.findall(r"(--[\w-]+):", dark))
    assert once == {"--on-light"}


def test_it_says_what_was_gained_at_what_cost_and_how_sure(page):
    (claim,) = page.having("class", "claim")
    assert re.fullmatch(
        r"pruned\.int8\.onnx is \d\d\.\d times as fast as mobilenet-fashion-mnist\.safetensors and "
        r"65 % smaller, at the cost of 1\.35 points of accuracy\.",
        claim.text,
    )
    (sure,) = page.having("class", "sure")
    assert "accuracy \u22122.19 to \u22120.51 points on the same 2,000 images" in sure.text
    assert "Against reference.onnx, in the same runtime, it is 1.7" in sure.text
    assert [one.text[:7] for one in page.having("class", "tile")] == [
        "Speed-u", "Accurac", "Size\u221265", "Memory\u00b1",
    ]  # fmt: skip
    (gate,) = page.having("class", "gate")
    assert gate.text == (
        "Not releasable yet: pruned.int8.onnx is not shown to hold accuracy lost \u2264 1.5 points."
    )


def test_it_holds_all_there_is(page):
    titles = [one.text for one in page.all("h3")]
    assert titles == [
        "Budgets", "Files", "Speed and accuracy", "Accuracy by class", "Where the time goes",
        "How it was made", "What pruning costs", "How it was measured", "To make this page again",
    ]  # fmt: skip
    words = page.all("body")[0].text
    for text in (
        "nnc run quickstart",
        "nnc report",
        "AMD EPYC",
        "machine: quiet",
        "a warning",
        "130,000 zeros are stored and computed",
        "Throughput by threads, batch 1",
        "nnc scan mobilenet.safetensors",
    ):
        assert text in words, text
    badges = [one.text for one in page.having("class", "badge")]
    assert "\u2713 held" in badges
    assert "\u2715 missed" in badges
    assert "? not shown" in badges
    assert "it was not" not in words
    for element in page.elements:
        assert "nan" not in element.attributes.get("d", "").lower()
    assert not re.search(r"\bnan\b|\binf\b|None", words)


def _evil_everywhere(value):
    """Every text in a result, but the words that the schema fixes, made hostile."""
    fixed = {
        *("bench", "onnx", "checkpoint", "engine", "uint8", "baseline", "faster", "slower"),
        *("no difference shown", "too noisy", "worse", "better", "held", "missed", "not shown"),
        *("quiet", "noisy", "unknown", "compute", "memory"),
    }
    if isinstance(value, dict):
        return {
            key: item if key == "data" and "dtype" in value else _evil_everywhere(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_evil_everywhere(item) for item in value]
    if isinstance(value, str) and value not in fixed:
        return f"{EVIL}{value}{ANGRY}"
    return value


def test_strings_from_files_are_text_everywhere():
    labels = [EVIL, *LABELS[1:]]
    result = bench_result(FILES[::3], profile=True, labels=labels, batch_sizes=(1, 8))
    result["budgets"] = judge(result, Budgets(1.5))
    result["noise"]["reasons"] = ["loud"]
    evil = _evil_everywhere(result)
    text = html_page([Subject(EVIL + ANGRY, EVIL, bench=evil)], "a&b<c>.html")
    page = read_page(text)
    for name in ("script", "img", "b0", "b/"):
        assert not page.all(name)
    assert "<script" not in text
    assert "<img" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    for place in ("title", "h2", "figcaption", "svg", "td", "li", "pre", "text", "dd"):
        shown = [one.text for one in page.all(place)]
        labelled = [one.attributes.get("aria-label", "") for one in page.all(place)]
        if place in ("figcaption", "dd"):
            continue
        assert any("<script>" in one for one in (*shown, *labelled)), place
    for element in page.elements:
        assert not any(name.startswith("on") for name in element.attributes), element


def test_a_file_that_died_has_a_row_that_says_so():
    """With what was measured of it before."""
    files = [*FILES[:3], replace(FILES[3], error="its process died: signal 9")]
    page = _page(bench_result(files))
    (error,) = page.having("class", "error")
    assert error.text == "error: its process died: signal 9"
    (row,) = page.having("class", "died")
    assert "1.66 MB" in row.text
    assert "94 % int8" in row.text
    assert page.having("class", "claim")[0].text.startswith("pruned.onnx is ")
    sure = page.having("class", "sure")[0].text
    assert "Not measured to the end, because of an error: pruned.int8.onnx." in sure


def _page(result):
    return read_page(html_page([Subject("x", "x.json", bench=result)], "x.html"))


def test_what_the_headline_is_about_is_what_is_opened():
    """The best file stands second; the broken one that is last has nothing to say."""
    free = replace(FILES[1], name="free.onnx", ms=0.2, bytes=1_000_000)
    page = _page(bench_result([FILES[1], free, FILES[3]], profile=True))
    assert page.having("class", "claim")[0].text.startswith("free.onnx is ")
    opened = [one for one in page.all("details") if "open" in one.attributes]
    assert len(opened) == 1
    assert "free.onnx" in opened[0].text
    assert "No class changed." in page.all("body")[0].text


@pytest.mark.parametrize("files", [FILES[1:2], (FILES[0], FILES[1])])
def test_classes_have_a_table_where_nothing_changed_or_there_is_one_file(files):
    page = _page(bench_result(files))
    assert "Accuracy by class" in [one.text for one in page.all("h3")]
    titles = [one.text for one in page.all("h4")]
    assert "Right answers in %, hardest first" in titles
    assert "Most frequent confusions" in titles
    hardest = page.all("table")[-2].text
    assert hardest.index("Shirt") < hardest.index("Trouser")
    words = page.all("body")[0].text
    assert ("No class changed." in words) is (len(files) > 1)
    assert "Shirt is the hardest class: 75.5 % right." in words


def test_a_class_that_may_be_chance_is_not_called_changed():
    page = _page(bench_result([FILES[1], replace(FILES[1], name="b.onnx", lost=5)]))
    assert "No class is shown to have changed" in page.all("body")[0].text


def test_sweeps_are_a_table_too():
    page = _page(bench_result(FILES[1:3], threads=(1, 2), batch_sizes=(1, 8)))
    (table,) = page.having("class", "sweep")
    assert len(re.findall("the baseline", table.text)) == 4
    assert len(re.findall("faster", table.text)) == 4
    assert "2 threads, batch of 8" in table.text
    assert not _page(bench_result(FILES[1:3])).having("class", "sweep")


def test_what_a_speedup_compares_is_said():
    page = _page(bench_result(FILES[1:3]))
    note = page.having("class", "note")[0].text
    assert "it compares the 10th percentiles of each round" in note
    assert "not quite the ratio of the medians" in note
    assert "p99" in page.having("class", "figures")[-1].text


def test_the_front_is_explained_only_as_far_as_it_is_drawn():
    joined = "joined by the dashed line"
    assert joined in _page(bench_result(FILES)).all("body")[0].text
    best = replace(FILES[1], name="best.onnx", ms=0.1)
    page = _page(bench_result([FILES[1], best]))
    assert joined not in page.all("body")[0].text
    assert "Ringed: on the front" in page.all("body")[0].text


def test_one_command_makes_the_page_of_all_results():
    made = bench_result(FILES[1:3])
    subjects = [Subject(name, f"{name}.json", bench=made) for name in ("a", "b")]
    page = read_page(html_page(subjects, "x.html"))
    commands = [one.text for one in page.all("pre")]
    assert commands[-1] == "nnc report a.json b.json -o x.html"
    assert sum("nnc report" in one for one in commands) == 1


def test_layers_that_could_not_be_timed_are_said_to_be_so():
    def untimed(result):
        for file in result["files"]:
            for layer in file["profile"]["layers"]:
                layer.update(ms=None, share=None)

    result = spoilt(bench_result(FILES[1:3], profile=True), untimed)
    assert "nnc bench --profile times each" in _page(result).all("body")[0].text
    result["command"].append("--profile")
    assert "the layers of this file could not be timed" in _page(result).all("body")[0].text


def _only_required(result):
    """Everything that may be null is null."""
    result.update(command=None, data=None, peaks=None)
    result["settings"].update(provider=None, images=None, cpus=None)
    result["noise"].update(verdict="unknown", steal=None, waiting=None, load=None)
    result["environment"] = {}
    for file in result["files"]:
        for key in (
            *("sha256", "runtime", "device", "provider", "input", "labels", "load_ms"),
            *("first_inference_ms", "peak_memory_bytes", "accuracy", "agreement", "profile"),
        ):
            file[key] = None
        for key in file["size"]:
            file["size"][key] = None if key != "bytes" else 0
        for latency in file["latency"]:
            latency.update(cpu_ms=None, gpu=None, speedup=None, threads=None)


def _nothing_at_all(result):
    _only_required(result)
    for file in result["files"]:
        file.update(size=None, latency=[])


def _one_value(result):
    """Every inference took the same time, and nothing at all in the last file."""
    for file in result["files"]:
        value = 0.0 if file is result["files"][-1] else 1.0
        for latency in file["latency"]:
            latency.update(dict.fromkeys(("median", "p5", "p95", "p99", "images_per_s"), value))
            latency["percentiles"] = [value] * 101


def _all_wrong(result):
    for file in result["files"]:
        file["accuracy"].update(top1=0.0, correct=0, low=0.0, high=0.0)


@pytest.mark.parametrize("change", [_only_required, _nothing_at_all, _one_value, _all_wrong])
def test_what_was_not_measured_is_left_out(change):
    result = spoilt(bench_result(FILES[::3], profile=True, batch_sizes=(1, 8)), change)
    page = read_page(html_page([Subject("x", "x.json", bench=result)], "x.html"))
    assert len(page.all("table")) >= 1
    assert not re.search(r"\bnan\b|\binf\b|None", page.all("main")[0].text)


def test_one_file_and_thirty():
    one = bench_result(FILES[1:2])
    many = bench_result(
        [replace(FILES[1], name=f"net-{i}.onnx", ms=0.1 + 0.1 * i, lost=i) for i in range(30)],
        images=200,
    )
    subjects = [Subject("one", "one.json", bench=one), Subject("many", "many.json", bench=many)]
    page = read_page(html_page(subjects, "x.html"))
    claims = [one.text for one in page.having("class", "claim")]
    assert re.fullmatch(
        r"reference\.onnx answers in 0\.4\d ms, is right on 92\.25 % of 2,000 test images and has "
        r"8\.90 MB\.",
        claims[0],
    )
    assert len(page.all("nav")) == 1
    assert [one.attributes["href"] for one in page.all("a")] == ["#subject-1", "#subject-2"]
    assert "net-29.onnx" in page.all("body")[0].text


def test_a_thousand_classes_stay_readable():
    labels = [f"class {i}" for i in range(1000)]
    result = bench_result(FILES, images=3000, labels=labels)
    text = html_page([Subject("x", "x.json", bench=result)], "x.html")
    page = read_page(text)
    assert len(text) < 250_000
    assert "The 16 classes that changed most." in page.all("body")[0].text


def test_the_same_results_make_the_same_page():
    subjects = [Subject("x", "x.json", bench=bench_result(FILES[::3]))]
    assert html_page(subjects, "x.html") == html_page(subjects, "x.html")
