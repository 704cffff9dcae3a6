"""``nnc inspect``: what an artefact says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..report.plain_text import byte_size, count, printable
from .console import Console
from .options import (
    card_overrides,
    check_suffixes_of,
    foreign_options,
    input_argument,
    report_options,
    trust_option,
)

if TYPE_CHECKING:
    from rich.table import Table

    from ...model_card import Stage
    from ...runtimes.artifact import Artifact

__all__ = ["inspect"]

LABELS_SHOWN = 12


@click.command()
@input_argument("file")
@click.option("--layers", is_flag=True, help="List every layer.")
@trust_option
@foreign_options
@report_options
def inspect(
    file: Path,
    layers: bool,
    trust: bool,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    image_size: int | None,
    labels: str | None,
    console: Console,
) -> None:
    """Show what an artefact (.safetensors, .onnx, .engine) says of itself.

    Architecture, input, labels, parameters, MACs, bytes, layers and history. FILE is a file, or
    shipped:NAME for a network in the package. Works where torch is not installed.
    """
    from ...runtimes.artifact import read_artifact
    from ..pipeline.shipped import input_file

    if trust:
        check_suffixes_of("--trust", [file], ".engine")
    artifact = read_artifact(
        input_file(file), card_overrides(mean, std, image_size, labels), trust=trust
    )
    if console.as_json:
        console.json(_to_json(artifact))
        return
    for name, text in _facts(artifact):
        console.say(f"{name:14} {text}")
    for number, stage in enumerate(artifact.card.history, start=1):
        console.say(f"{f'history {number}':14} {_stage_line(stage)}")
    if layers:
        console.say("")
        console.show(lambda _width: _layer_table(artifact))


def _facts(artifact: Artifact) -> list[tuple[str, str]]:
    card, spec = artifact.card, artifact.card.input
    shown = ", ".join(card.labels[:LABELS_SHOWN])
    more = (
        f", and {len(card.labels) - LABELS_SHOWN} more" if len(card.labels) > LABELS_SHOWN else ""
    )
    return [
        ("file", f"{artifact.path} ({byte_size(artifact.size_bytes)})"),
        ("kind", f"{artifact.kind}, run by {artifact.runtime}"),
        ("made by", "nnc" if artifact.own_metadata else "another tool (no nnc metadata)"),
        ("architecture", card.architecture or "not recorded"),
        ("input", f"float32 [N, {spec.channels}, {spec.height}, {spec.width}]"),
        ("normalisation", f"mean {_numbers(spec.mean)}, std {_numbers(spec.std)}"),
        ("labels", f"{len(card.labels)}: {shown}{more}" if card.labels else "none"),
        ("layers", f"{len(artifact.layers)} (--layers lists them)"),
        *_parameters(artifact),
        ("MACs", "unknown" if artifact.macs is None else f"{count(artifact.macs)} an image"),
        ("sha256", artifact.sha256),
        ("made from", card.parent_sha256 or "not recorded"),
        *(_engine_facts(artifact) if artifact.kind == "engine" else ()),
    ]


def _parameters(artifact: Artifact) -> list[tuple[str, str]]:
    every, nonzero = artifact.parameters, artifact.nonzero_parameters
    if every is None or nonzero is None:
        return [("parameters", "unknown")]
    return [
        ("parameters", f"{count(every)} ({every:,})"),
        ("non-zero", f"{count(nonzero)} ({nonzero / max(every, 1):.1%})"),
    ]


def _engine_facts(artifact: Artifact) -> list[tuple[str, str]]:
    """What only an engine has: the library, the GPUs and the batches that it was built for."""
    from ...runtimes.gpu.device import capability_name
    from ...runtimes.trt.sidecar import read_sidecar

    sidecar = read_sidecar(artifact.path)
    if sidecar is None:
        return []
    least, best, greatest = sidecar.batch
    targets = ", ".join(capability_name(target) for target in sidecar.runs_on)
    return [
        ("built by", f"{sidecar.flavour} {sidecar.version} in {sidecar.build_seconds:.0f} s"),
        ("runs on", f"compute capability {targets}" + (f" ({sidecar.gpu})" if sidecar.gpu else "")),
        ("precision", sidecar.precision),
        ("batch", f"{least} to {greatest}, tuned for {best}"),
    ]


def _layer_table(artifact: Artifact) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("layer", overflow="fold")
    table.add_column("operator")
    table.add_column("type")
    for title in ("params", "MACs"):
        table.add_column(title, justify="right", no_wrap=True)
    for layer in artifact.layers:
        table.add_row(
            Text(printable(layer.name)),
            Text(printable(layer.op)),
            Text(printable(layer.dtype)),
            "-" if artifact.kind == "engine" else count(layer.parameters),
            "-" if layer.macs is None else count(layer.macs),
        )
    return table


def _stage_line(stage: Stage) -> str:
    """One line of history: the command that made it, or its settings, and the headline result."""
    text = stage.command or f"{stage.name} {json.dumps(dict(stage.settings), sort_keys=True)}"
    held_out = stage.results.get("validation_accuracy")
    if isinstance(held_out, float):
        text += f" (validation accuracy {held_out:.2%})"
    return text


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _to_json(artifact: Artifact) -> dict[str, Any]:
    from dataclasses import asdict

    card, spec = artifact.card, artifact.card.input
    return {
        "file": str(artifact.path),
        "kind": artifact.kind,
        "runtime": artifact.runtime,
        "own_metadata": artifact.own_metadata,
        "architecture": card.architecture,
        "input": {"shape": list(artifact.input_shape), "dtype": "float32", **asdict(spec)},
        "labels": list(card.labels),
        "size_bytes": artifact.size_bytes,
        "sha256": artifact.sha256,
        "parameters": artifact.parameters,
        "nonzero_parameters": artifact.nonzero_parameters,
        "macs": artifact.macs,
        "layers": [asdict(layer) for layer in artifact.layers],
        "history": [stage.to_json() for stage in card.history],
        "parent_sha256": card.parent_sha256,
    }
