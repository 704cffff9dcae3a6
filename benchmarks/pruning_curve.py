"""The figure of accuracy against size, from what `nnc bench --json` printed.

    nnc bench shipped:mobilenet-fashion-mnist mobilenet-1.1M.onnx … --data fashion-mnist --json > m.json
    python benchmarks/pruning_curve.py m.json s.json -o pruning-curve.png

The first file of each result is the reference, the others its pruned exports.
"""  # noqa: E501

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from nnc.toolchain.report.figure import COLOURS, GREY, INK, draw, percent_axis, write_figure


def paint(figure: Any, results: list[list[dict[str, Any]]]) -> None:
    """One panel a network: test accuracy with its interval against parameters in the file."""
    panels = figure.subplots(1, len(results), squeeze=False)[0]
    for axes, entries, colour in zip(panels, results, COLOURS, strict=False):
        reference = entries[0]["accuracy"]["top1"]
        points = sorted(entries, key=lambda entry: entry["size"]["parameters"])
        x = [entry["size"]["parameters"] / 1e6 for entry in points]
        y = [entry["accuracy"]["top1"] for entry in points]
        low = [entry["accuracy"]["top1"] - entry["accuracy"]["low"] for entry in points]
        high = [entry["accuracy"]["high"] - entry["accuracy"]["top1"] for entry in points]
        axes.errorbar(x, y, [low, high], color=colour, marker="o", capsize=3, elinewidth=1)
        for drop, name in ((0.0, "reference"), (0.005, "0.5 points less"), (0.01, "1 point less")):
            axes.axhline(reference - drop, color=GREY, lw=0.9, ls=(0, (4, 3)))
            axes.annotate(
                name, (0.9, reference - drop), xycoords=("axes fraction", "data"), ha="right",
                xytext=(0, 2), textcoords="offset points", color=INK, fontsize=8,
            )  # fmt: skip
        axes.set_xlim(0, max(x) * 1.05)
        axes.set_title(Path(entries[0]["file"]).stem)
        axes.set_xlabel("million parameters in the file")
        axes.set_ylabel("top-1 on the test images")
        percent_axis(axes.yaxis, decimals=2)


@click.command()
@click.argument("benches", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(benches: tuple[Path, ...], output: Path) -> None:
    """Draw the curves of BENCHES side by side."""
    results = [json.loads(path.read_text())["files"] for path in benches]
    png = draw(lambda figure: paint(figure, results), width=5.2 * len(results), height=4.2)
    write_figure(output, png, overwrite=True)


if __name__ == "__main__":
    main()
