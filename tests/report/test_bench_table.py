"""The bench table: sensible digits, honest words, nothing cut off."""

from __future__ import annotations

import pytest
from rich.console import Console

from nnc.errors import NncError
from nnc.toolchain.cli.bench_view import bench_view
from nnc.toolchain.report.bench_notes import bench_notes, check_all_ran
from nnc.toolchain.report.bench_table import bench_rows, caption, sweep_rows
from nnc.toolchain.report.markdown import bench_page
from nnc.toolchain.report.plain_text import byte_size, count, one_line, printable


def speedup(ratio, low, high, verdict):
    return {"ratio": ratio, "low": low, "high": high, "verdict": verdict, "rounds": [ratio]}


def latency(median, speedup, threads=1, batch_size=1):
    return {
        "threads": threads,
        "batch_size": batch_size,
        "median": median,
        "p5": 0.9 * median,
        "p95": 1.2 * median,
        "p99": 1.5 * median,
        "runs": 500,
        "images_per_s": 1000 * batch_size / median,
        "cpu_ms": threads * median,
        "gpu": None,
        "speedup": speedup,
    }


def entry(name, runtime, *latencies, **changes):
    return {
        "file": f"runs/{name}",
        "name": name,
        "runtime": runtime,
        "device": "cpu",
        "provider": None,
        "error": None,
        "warnings": [],
        "accuracy": {"top1": 0.9215, "images": 10000, "low": 0.916, "high": 0.9267},
        "agreement": None,
        "profile": None,
        "size": {
            "bytes": 4_620_000,
            "parameters": 2_236_106,
            "nonzero_parameters": 1_310_222,
            "macs": 6_210_000,
            "zeros": None,
        },
        "latency": list(latencies),
        "peak_memory_bytes": 312_000_000,
        **changes,
    }


@pytest.fixture
def bench():
    none = {"bytes": 70_000, "parameters": None, "nonzero_parameters": None, "macs": None}
    return {
        "schema_version": 2,
        "environment": {"cpu": "EPYC", "versions": {"onnxruntime": "1.32"}},
        "settings": {"threads": [1], "batch_sizes": [1], "rounds": 60, "launches": 6},
        "data": {"name": "fashion-mnist"},
        "budgets": [],
        "noise": {"verdict": "quiet", "reasons": []},
        "files": [
            entry(
                "a-rather-long-name-of-a-file.safetensors",
                "pytorch",
                latency(11.123, speedup(1.0, 1.0, 1.0, "baseline")),
            ),
            entry("b.onnx", "onnxruntime", latency(0.3812, speedup(29.17, 27.91, 30.4, "faster"))),
            entry(
                "c.onnx",
                "onnxruntime",
                latency(11.2, speedup(0.99, 0.97, 1.04, "no difference shown")),
                accuracy=None,
                size={**none, "zeros": None},
            ),
            entry("d.onnx", "onnxruntime", latency(11.2, speedup(0.99, 0.7, 1.4, "too noisy"))),
            entry(
                "e.onnx",
                "onnxruntime",
                error="e.onnx: the process that ran it was ended by SIGKILL (out of memory?)",
                accuracy=None,
                peak_memory_bytes=None,
            ),
        ],
    }


def test_cells(bench):
    first, second, third, fourth, fifth = bench_rows(bench)
    assert first.cells == (
        ("92.15 %", "91.6-92.7"),
        ("4.62 MB", ""),
        ("1.31 M", "of 2.24 M"),
        ("6.21 M", ""),
        ("11.1", "10.0-13.3"),
        ("312 MB", ""),
        ("1", "baseline"),
    )
    assert second.cells[-1] == ("29.2x", "27.9-30.4")
    assert third.cells[-1] == ("no difference", "0.97-1.04")
    assert third.cells[0] == third.cells[2] == third.cells[3] == ("-", "")
    assert fourth.cells[-1] == ("too noisy", "0.70-1.40")
    assert fifth.cells[-1] == ("failed", "")
    assert fifth.cells[1] == ("4.62 MB", "")
    assert [fifth.cells[index] for index in (0, 4, 5)] == [("-", "")] * 3


def test_without_a_baseline_there_are_times_and_no_speedups(bench):
    for file in bench["files"]:
        for one in file["latency"]:
            one["speedup"] = None
    assert bench_rows(bench)[1].cells[-3:] == (("0.38", "0.34-0.46"), ("312 MB", ""), ("-", ""))


def test_the_caption_says_what_is_compared(bench):
    text = caption(bench)
    assert "against a-rather-long-name-of-a-file.safetensors (PyTorch eager), the first" in text
    assert "batch of 1 on cpu, 1 thread;" in text
    assert "measured in 60 interleaved rounds, each file started anew 6 times" in text
    assert "speed-ups compare the 10th percentile of each round, latencies shown are medi" in text
    assert "10,000 test images of fashion-mnist" in text


def test_rows_of_one_name_are_told_apart_everywhere(bench):
    for file in bench["files"][:2]:
        file.update(name="net.onnx", runtime="onnxruntime", warnings=["odd"])
    bench["files"][1].update(device="cuda", provider="cuda")
    bench["settings"]["batch_sizes"] = [1, 8]
    titles = ["net.onnx (onnxruntime cpu)", "net.onnx (onnxruntime cuda)"]
    assert [row.file for row in bench_rows(bench)[:2]] == titles
    assert [row.file for row in sweep_rows(bench)[:2]] == titles
    assert f"against {titles[0]} (ONNX Runtime), the first row" in caption(bench)
    assert [note for note in bench_notes(bench) if note.endswith(": odd")] == [
        f"{title}: odd" for title in titles
    ]


def test_a_sweep_has_a_table_of_its_own(bench):
    assert sweep_rows(bench) == ()
    bench["settings"]["batch_sizes"] = [1, 8]
    more = latency(1.9, speedup(20.0, 19.0, 21.0, "faster"), batch_size=8)
    bench["files"][1]["latency"].append(more)
    rows = sweep_rows(bench)
    assert [row.file for row in rows].count("b.onnx") == 2
    assert rows[2].cells == (
        ("1", ""), ("8", ""), ("1.90", "1.71-2.28"), ("4211", ""), ("1.90", ""),
        ("20.0x", "19.0-21.0"),
    )  # fmt: skip
    assert "| b.onnx | ONNX Runtime | 1 | 8 | 1.90 (1.71-2.28) | 4211 |" in bench_page(
        bench, title="t", command="c", date="d"
    )


def test_notes_say_what_no_column_does(bench):
    slowest = (
        "99 of 100 inferences take at most: 16.7 ms (a-rather-long-name-of-a-file.safetensors), "
        "0.57 ms (b.onnx), 16.8 ms (c.onnx), 16.8 ms (d.onnx)"
    )
    assert bench_notes(bench) == [
        "e.onnx failed: e.onnx: the process that ran it was ended by SIGKILL (out of memory?)",
        slowest,
    ]
    first, second = bench["files"][:2]
    second["warnings"] = ["holds the same bytes as a.onnx"]
    second["size"] = {
        **second["size"],
        "zeros": "40 % zeros save\nnothing",
        "int8_mac_share": 0.0123,
    }
    second["accuracy"]["worst_class"] = {"label": "Shirt\x1b", "images": 1000, "correct": 741}
    second["agreement"] = {
        "images": 10000,
        "same": 9900,
        "lost": 50,
        "won": 40,
        "moved": 10,
        "p": 0.3428,
        "difference": -0.001,
        "low": -0.0029,
        "high": 0.0009,
        "verdict": "no difference shown",
    }
    bench["noise"] = {"verdict": "noisy", "reasons": ["one", "two"]}
    assert bench_notes(bench)[1:] == [
        "b.onnx: holds the same bytes as a.onnx",
        "b.onnx: 40 % zeros save nothing",
        "b.onnx: 1.2 % of its MACs are in int8, the rest in float",
        slowest,
        "worst class: Shirt 74.1 % (b.onnx)",
        (
            f"b.onnx against {first['name']}: no difference shown at n=10,000; 100 answers differ "
            "(50 lost, 40 won), top-1 -0.10 points (-0.29 to +0.09), McNemar p=0.34"
        ),
        "this machine was noisy: one; two",
    ]


def test_a_failure_is_raised_when_all_is_out(bench):
    with pytest.raises(NncError, match=r"^1 of 5 files failed: e\.onnx: the process"):
        check_all_ran(bench)
    bench["files"].pop()
    check_all_ran(bench)


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_figure_is_cut_off(bench, width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(bench_view(bench, width))
    text = console.export_text()
    for row in bench_rows(bench):
        assert row.file in text
        for main, detail in row.cells:
            assert main in text
            assert detail in text
    for note in bench_notes(bench):
        assert " ".join(note.split()) in " ".join(text.split())
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= width


def test_the_page(bench):
    bench["files"][1]["name"] = "b|<b>\x1b.onnx"
    bench["files"][1]["warnings"] = ["<script>"]
    bench["environment"] |= {"memory_bytes": 16_000_000_000, "gpus": []}
    page = bench_page(bench, title="mine", command="nnc run mine", date="today")
    assert "| b\\|\\<b\\>.onnx | ONNX Runtime | 92.15 % (91.6-92.7) |" in page
    assert "- versions: onnxruntime 1.32" in page
    assert "- b\\|\\<b\\>.onnx: \\<script\\>" in page
    assert "- memory: 16.0 GB\n" in page
    assert "gpus" not in page
    assert "\x1b" not in page


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1234, "1.23 k"), (2_236_106, "2.24 M"), (57_044_810, "57.0 M"),
     (715_000_000, "715 M"), (1.5e9, "1.50 G")],
)  # fmt: skip
def test_counts(number, text):
    assert count(int(number)) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1240, "1.2 kB"), (2_310_000, "2.31 MB"),
     (25_274_790_000, "25.3 GB")],
)  # fmt: skip
def test_sizes(size, text):
    assert byte_size(size) == text


def test_text_from_files_cannot_steer_the_terminal():
    assert printable("a\x1b[2Jb\u202ec\x07 d") == "a[2Jbc d"
    assert one_line("a\nb\r\n\tc") == "a b c"
