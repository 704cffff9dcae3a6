"""``nnc doctor``: what this machine can do, and the command that adds what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..report.plain_text import flat
from .console import Console
from .options import report_options

if TYPE_CHECKING:
    from ..diagnosis import Diagnosis

__all__ = ["doctor"]


@click.command()
@report_options
def doctor(console: Console) -> None:
    """Show what this machine can do: backends, providers, devices, versions.

    What is missing stands with the command that adds it.
    """
    from ..diagnosis import diagnose

    found = diagnose()
    if console.as_json:
        console.json(found.to_json())
        return
    for line in _lines(found):
        console.say(line)


def _lines(found: Diagnosis) -> list[str]:
    lines = ["machine"]
    for key, value in found.environment.items():
        text = flat(value, key)
        if text:
            lines.append(f"  {key.removesuffix('_bytes').replace('_', ' '):18} {text}")
    if not found.environment["gpus"]:
        lines.append(f"  {'gpus':18} none that nvidia-smi or CUDA's driver knows")
    lines.append(f"  {'int8 target':18} {found.int8_target}")
    lines.append("backends")
    for backend in found.backends:
        state = "yes" if backend.available else f"no: lacks {', '.join(backend.missing)}"
        lines.append(f"  {backend.name:18} {state} ({backend.commands})")
        if backend.add:
            lines.append(f"  {'':18} add it with: {backend.add}")
    if found.providers:
        lines.append(f"  {'providers':18} {', '.join(found.providers)}")
    lines.append(f"  {'CUDA in PyTorch':18} {found.torch_cuda or 'no'}")
    for library in found.tensorrt:
        cuda = f", CUDA {library.cuda}" if library.cuda else ""
        lines.append(f"  {'TensorRT: ' + library.flavour:18} {library.version}{cuda}")
        lines += [f"  {'':18} builds {library.builds}", f"  {'':18} runs {library.runs}"]
    lines += [f"problem: {problem}" for problem in found.problems]
    lines += [f"hint: {hint}" for hint in found.hints]
    return lines
