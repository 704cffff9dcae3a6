"""The compression experiment as a Markdown page: one table, what it means, how it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .markdown import escape, machine_lines
from .plain_text import byte_size, count, one_line

__all__ = ["compression_page", "noted"]

COLUMNS = (
    "method", "pruned", "validation", "test accuracy", "parameters", "non-zero", ".onnx", "MACs",
    "latency ms", "speed-up",
)  # fmt: skip
METHOD_NOTES = {
    "paper": "filters in convolutions, single weights in fully-connected layers",
    "element": "single weights everywhere",
    "filter": "filters and whole neurons, each layer on its own",
    "channel": "whole channels through all the layers that share them",
}


def compression_page(values: Mapping[str, Any]) -> str:
    """The page that the experiment leaves beside its results."""
    subject = f"{escape(values['architecture'])} on {escape(values['data'])}"
    lines = [
        f"# {subject}: pruning methods at equal accuracy",
        "",
        _line(COLUMNS),
        _line(["---", *("---:" for _ in COLUMNS[1:])]),
    ]
    rows = values["rows"]
    lines += [_line(_cells(row, rows[0])) for row in rows]
    found = {row["name"] for row in rows}
    told = values["settings"]
    for method in told["methods"]:
        if method not in found:
            lines.append(_line([method, "none", *("-" for _ in COLUMNS[2:])]))
    lines += ["", escape(_caption(values)), ""]
    lines += [f"- {method}: {escape(METHOD_NOTES[method])}" for method in told["methods"]]
    lines += [
        f"- command: `{one_line(values['command']).replace('`', ' ')}`",
        f"- date: {escape(values['date'])}",
    ]
    lines += machine_lines(values["bench"]["environment"])
    return "\n".join(lines) + "\n"


def _cells(row: Mapping[str, Any], reference: Mapping[str, Any]) -> list[str]:
    speedup = row["speedup"]
    interval = f"{speedup['low']:.2f}-{speedup['high']:.2f}"
    if row is reference:
        faster = "1"
    elif speedup["low"] <= 1 <= speedup["high"]:
        faster = f"no difference ({interval})"
    else:
        faster = f"{speedup['ratio']:.2f}x ({interval})"
    return [
        row["name"],
        "-" if row is reference else f"{row['sensitivity']:.4g}",
        f"{row['validation_accuracy']:.2%}",
        f"{row['accuracy']['top1']:.2%}",
        *(_sized(row[key], reference[key], count) for key in ("parameters", "nonzero_parameters")),
        _sized(row["size_bytes"], reference["size_bytes"], byte_size),
        _sized(row["macs"], reference["macs"], count),
        f"{row['latency_ms']['median']:.3g}",
        faster,
    ]


def noted(value: float, whole: float) -> bool:
    """Whether a share of the whole is worth saying: not one that reads as 100 %."""
    return bool(whole) and abs(value / whole - 1) >= 0.005


def _sized(value: int | None, whole: int | None, text: Callable[[int], str]) -> str:
    if value is None or not whole:
        return "-"
    return f"{text(value)} ({value / whole:.0%})" if noted(value, whole) else text(value)


def _caption(values: Mapping[str, Any]) -> str:
    told, first = values["settings"], values["bench"]["files"][0]
    latency = first["latency"][0]
    images = values["reference"]["validation_images"]
    limit = told["train_images"]
    epochs = f"{told['epochs']} epoch{'s' if told['epochs'] != 1 else ''}"
    retraining = f"{epochs} at each ({told['recover']}"
    retraining += f", {limit:,} images, a fifth of them for validation)" if limit else ")"
    threads = f"{latency['threads']} thread{'s' if latency['threads'] != 1 else ''}"
    return (
        f"Each method pruned from {values['checkpoint']} by rising sensitivities "
        f"({told['criterion'] or 'its own criterion'}, {told['scope']} scope), retrained "
        f"{retraining}, as far as validation accuracy stayed within {told['max_drop']:g} points of "
        f"the reference's ({images:,} images); test accuracy on {first['accuracy']['images']:,} "
        "images, touched only here; parameters, bytes and MACs are those of the exported file, "
        "from which dead channels are gone; non-zero: the parameters in it that are not zero; "
        f"latency: median of batch {latency['batch_size']} on {first['device']}, {threads}, ONNX "
        "Runtime, all files in interleaved rounds; speed-up against the reference with its 95 % "
        "interval."
    )


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
