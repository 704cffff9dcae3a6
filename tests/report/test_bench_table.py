"""The bench table: sensible digits, honest words, nothing cut off."""

from __future__ import annotations

import pytest
from rich.console import Console

from nnc.toolchain.cli.bench_view import bench_view
from nnc.toolchain.report.bench_table import bench_rows, caption
from nnc.toolchain.report.markdown import bench_page
from nnc.toolchain.report.plain_text import byte_size, count, one_line, printable


def entry(file, runtime, median, ratio, low, high, **changes):
    return {
        "file": file,
        "runtime": runtime,
        "device": "cpu",
        "threads": 1,
        "batch_size": 1,
        "accuracy": {"top1": 0.9215, "images": 10000, "low": 0.916, "high": 0.9267},
        "size_bytes": 4_620_000,
        "parameters": 2_236_106,
        "nonzero_parameters": 1_310_222,
        "macs": 6_210_000,
        "latency_ms": {"median": median, "p5": 0.9 * median, "p95": 1.2 * median, "runs": 500},
        "peak_memory_bytes": 312_000_000,
        "speedup": {"ratio": ratio, "low": low, "high": high, "baseline": "a"},
        **changes,
    }


@pytest.fixture
def bench():
    return {
        "schema_version": 1,
        "environment": {"cpu": "EPYC", "versions": {"onnxruntime": "1.32"}},
        "data": "fashion-mnist",
        "results": [
            entry("runs/a-rather-long-name-of-a-file.safetensors", "pytorch", 11.123, 1, 1, 1),
            entry("b.onnx", "onnxruntime", 0.3812, 29.17, 27.91, 30.4),
            entry("c.onnx", "onnxruntime", 11.2, 0.99, 0.97, 1.04, accuracy=None, macs=None),
        ],
    }


def test_cells(bench):
    first, second, third = bench_rows(bench)
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
    assert third.cells[0] == third.cells[3] == ("-", "")


def test_the_caption_says_what_is_compared(bench):
    text = caption(bench)
    assert "against a-rather-long-name-of-a-file.safetensors (PyTorch eager)" in text
    assert "batch of 1 on cpu, 1 thread;" in text
    assert "10,000 test images of fashion-mnist" in text


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
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= width


def test_the_page(bench):
    bench["results"][1]["file"] = "b|<b>\x1b.onnx"
    page = bench_page(bench, title="mine", command="nnc run mine", date="today")
    assert "| b\\|\\<b\\>.onnx | ONNX Runtime | 92.15 % (91.6-92.7) |" in page
    assert "- versions: onnxruntime 1.32" in page
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
