"""A smaller ONNX file, without zeroed filters and channel shuffles; same outputs, no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..model_card import ModelCard, Stage
from ..progress import SILENT, Progress
from ..whole_files import check_input, check_output, sha256_of
from .packages import need
from .passes import SHAPING, run_passes
from .same_outputs import (
    HALF_RELATIVE_DIFFERENCE,
    LARGEST_RELATIVE_DIFFERENCE,
    compare_outputs,
    outputs_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from onnx import ModelProto

    from .channels.compact import LayerCut
    from .channels.groups import Unprunable

    Array = np.ndarray[Any, Any]

__all__ = [
    "HALF_RELATIVE_DIFFERENCE",
    "LARGEST_RELATIVE_DIFFERENCE",
    "CompactResult",
    "FileFacts",
    "compact_file",
]

IMAGES = 4
"""Random images that the outputs are compared on."""

SIMPLER = ("global_pool", "single_pixel", "shuffle")
"""Graph passes whose work a reader wants to hear of; the others clean up."""

FAST_MULTIPLE = 8
"""Channel counts that are no multiple of it leave ONNX Runtime's blocked kernels on CPU."""


@dataclass(frozen=True)
class FileFacts:
    """What a file holds; MACs are None where the graph leaves its shapes open."""

    parameters: int
    nonzero_parameters: int
    macs: int | None
    size_bytes: int


@dataclass(frozen=True)
class CompactResult:
    """A compaction: the file before and after, and how far the outputs moved."""

    path: str
    sha256: str
    before: FileFacts
    after: FileFacts
    round_to: int
    max_abs_difference: float | None
    max_relative_difference: float | None
    """Over the outputs that are floating-point numbers; None where there is none to compare."""
    input_scale: float
    """Standard deviation of the random inputs that this was measured on: less than one where the
    model's own rounding is too large on such."""
    allowed_relative_difference: float
    removed: tuple[LayerCut, ...]
    unprunable: tuple[Unprunable, ...]
    spared: int
    """Dead channel groups that ``round_to`` kept."""
    zeroed: tuple[LayerCut, ...]
    """Layers whose zero filters something still needs."""
    shaped: Mapping[str, int]
    """Graph pass -> how often it made something simpler, such as ``shuffle``: channel shuffles
    compiled away. Passes that changed nothing are left out."""
    odd_layers: int
    """Layers that pruning left with a channel count that is no multiple of `FAST_MULTIPLE`. Where
    ``round_to`` is one, these are depthwise layers behind a Concat of parts of others: each of
    those has a multiple, but not their sum."""

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return asdict(self)


def compact_file(
    model: Path,
    output: Path,
    *,
    round_to: int = 1,
    seed: int = 0,
    progress: Progress = SILENT,
    overwrite: bool = False,
) -> CompactResult:
    """Write ``model`` to ``output`` without its dead channels, neurons and channel shuffles.

    Both are run on the same random images, drawn by ``seed``. ``round_to`` keeps some dead channels
    so that layers have a multiple of it. Raises InputError for a bad file or NaN weights,
    MissingError where ONNX Runtime is not installed, NncError (and writes nothing) where the
    outputs differ by more than `LARGEST_RELATIVE_DIFFERENCE` and the model's own rounding
    (`compare_outputs`).
    """
    need("comparing the outputs", "onnxruntime")
    from ..runtimes.onnx_model.files import (
        load_model,
        read_properties,
        save_model,
        stored_bytes,
        write_properties,
    )
    from .channels import compact, resolve

    check_input(model)
    check_output(output, overwrite=overwrite)
    with progress.task("compacting", 4) as task:
        loaded = load_model(model)
        images = _images(loaded, seed)
        expected = outputs_of(str(model), images, model)
        # Weights that the graph computes count as such only when they are stored.
        resolve(loaded)
        before = _facts(loaded, stored_bytes(model))
        task.advance(note="looking for dead channels")
        compaction = compact(loaded, round_to=round_to)
        shaped = run_passes(loaded, ("constants", *SHAPING))
        task.advance(note="comparing the outputs")
        likeness = compare_outputs(model, images, expected, loaded.SerializeToString())
        absolute = likeness.max_abs_difference
        relative = likeness.max_relative_difference
        task.advance()
        properties = read_properties(loaded)
        card = ModelCard.from_properties(properties, str(model)) if properties else None
        if card is not None:
            stage = Stage(
                "compact",
                {"round_to": round_to},
                {"max_abs_difference": absolute, "max_relative_difference": relative},
                f"nnc compact {model.name}" + ("" if round_to == 1 else f" --round-to {round_to}"),
            )
            parent = card.then(stage, parent_sha256=sha256_of(model))
            write_properties(loaded, parent.to_properties())
        save_model(loaded, output, overwrite=overwrite)
        task.advance()
    return CompactResult(
        path=str(output),
        sha256=sha256_of(output),
        before=before,
        after=_facts(loaded, output.stat().st_size),
        round_to=round_to,
        max_abs_difference=absolute,
        max_relative_difference=relative,
        removed=compaction.layers,
        unprunable=compaction.unprunable,
        spared=compaction.spared,
        zeroed=compaction.zeroed,
        shaped={
            result.name: len(result.changes)
            for result in shaped
            if result.name in SIMPLER and result.changed
        },
        input_scale=likeness.input_scale,
        allowed_relative_difference=likeness.allowed,
        odd_layers=sum(cut.after % FAST_MULTIPLE != 0 for cut in compaction.layers),
    )


def _facts(model: ModelProto, size_bytes: int) -> FileFacts:
    from ..runtimes.onnx_model.graph import read_graph

    facts = read_graph(model)
    return FileFacts(facts.parameters, facts.nonzero_parameters, facts.macs, size_bytes)


def _images(model: ModelProto, seed: int) -> dict[str, Array]:
    """Random values for every input: standard normal, as normalised pixels nearly are."""
    import numpy as np

    from ..runtimes.onnx_model.shapes import graph_inputs
    from .channels.shapes import UNKNOWN_SIDE

    generator = np.random.default_rng(seed)
    feeds = {}
    for spec in graph_inputs(model):
        if spec.dtype not in ("float16", "float32", "float64"):
            raise InputError(
                f"input '{spec.name}' takes {spec.dtype}; expected images as floating-point numbers"
            )
        shape = [
            size or (IMAGES if axis == 0 else UNKNOWN_SIDE) for axis, size in enumerate(spec.shape)
        ]
        feeds[spec.name] = generator.standard_normal(shape).astype(spec.dtype)
    return feeds
