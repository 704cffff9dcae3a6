"""ONNX from a checkpoint, by PyTorch's dynamo exporter, checked against PyTorch on real images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError, NncError
from ..model_card import ModelCard, Stage
from ..progress import SILENT, Progress
from ..whole_files import check_input, check_output, sha256_of
from .channels import Compaction
from .channels import compact as compact_channels
from .onnx_trace import INPUT, OUTPUT, shipped_graph
from .packages import need
from .passes import FOLDING, SHAPING, PassResult, run_passes

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from onnx import ModelProto
    from torch import nn

    from .channels.compact import LayerCut
    from .channels.groups import Unprunable

__all__ = [
    "LARGEST_RELATIVE_DIFFERENCE",
    "ROUND_TO",
    "ExportResult",
    "export",
    "export_module",
]

LARGEST_RELATIVE_DIFFERENCE = 1e-4
"""max|a - b| / max|a| between PyTorch's logits and ONNX Runtime's; more is a wrong graph."""

ROUND_TO = 8
"""Other channel counts leave ONNX Runtime's blocked CPU kernels and take several times as long."""

CHECK_BATCH = 16


@dataclass(frozen=True)
class ExportResult:
    """What an export made, and how far it is from PyTorch."""

    path: str
    size_bytes: int
    sha256: str
    opset: int
    parameters: int
    """Elements of the weights and biases in the file; batch-norms are folded into them."""
    network_parameters: int
    """The same before pruned channels were removed."""
    images: int
    """Real images the outputs were compared on."""
    max_abs_difference: float
    max_relative_difference: float
    passes: tuple[PassResult, ...]
    removed: tuple[LayerCut, ...]
    """Layers that lost pruned channels or neurons."""
    unprunable: tuple[Unprunable, ...]
    """Operators that no channel could be followed through."""

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Difference:
    absolute: float
    relative: float


def export(
    checkpoint: Path,
    output: Path,
    *,
    images: np.ndarray[Any, Any],
    compact: bool = True,
    round_to: int = ROUND_TO,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> ExportResult:
    """Write the network of ``checkpoint`` as an ONNX file with a dynamic batch dimension.

    ``images`` are real images, uint8 [N, H, W, C] of the network's input size, that PyTorch and
    ONNX Runtime are compared on. The file's input is ``input``, float32 [batch, C, H, W], its
    output ``logits``, float32 [batch, classes]. ``compact`` removes pruned channels from the graph;
    without it they stay in as zeros. ``round_to`` keeps some of them, so that every layer has a
    multiple of it.

    Raises InputError for a bad checkpoint or images that do not fit it, MissingError where torch,
    onnxscript or onnxruntime is not installed, NncError (and writes nothing) where the outputs
    differ by more than `LARGEST_RELATIVE_DIFFERENCE`.
    """
    need("exporting", "torch", "onnxscript", "onnxruntime")
    from ..runtimes.torch_runtime import load_network

    check_input(checkpoint)
    check_output(output, overwrite=overwrite)
    network, card = load_network(checkpoint)
    return export_module(
        network,
        card,
        output,
        images=images,
        source=checkpoint.name,
        parent_sha256=sha256_of(checkpoint),
        compact=compact,
        round_to=round_to,
        overwrite=overwrite,
        progress=progress,
    )


def export_module(
    network: nn.Module,
    card: ModelCard,
    output: Path,
    *,
    images: np.ndarray[Any, Any],
    source: str = "NETWORK",
    parent_sha256: str = "",
    compact: bool = True,
    round_to: int = ROUND_TO,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> ExportResult:
    """As `export`, for a network in memory: in evaluation mode, float32, on the CPU.

    ``source`` stands for its file in the recorded command.
    """
    from ..runtimes.onnx_model.files import save_model, write_properties
    from ..runtimes.preprocess import normalise

    if not len(images):
        raise InputError("no images to check the export on; expected at least one")
    batch = normalise(images, card.input)
    with progress.task("exporting", 3) as task:
        model = shipped_graph(network, card.input)
        task.advance(note="cleaning the graph")
        compaction = Compaction()
        passes = run_passes(model, FOLDING)
        whole = _parameters(model)
        if compact:
            compaction = compact_channels(model, round_to=round_to)
        passes += run_passes(model, (*SHAPING, "names"))
        _sign(model)
        task.advance(note="comparing with PyTorch")
        difference = _compared(network, model, batch)
        opset = next(entry.version for entry in model.opset_import if not entry.domain)
        stage = Stage(
            "export",
            {"opset": opset, "compact": compact, "round_to": round_to},
            {
                "images": len(images),
                "max_abs_difference": difference.absolute,
                "max_relative_difference": difference.relative,
            },
            # Without the output's name: the same network makes the same bytes, however called.
            f"nnc export {source}{_options(compact, round_to)}",
        )
        write_properties(model, card.then(stage, parent_sha256=parent_sha256).to_properties())
        save_model(model, output, overwrite=overwrite)
        task.advance()
    return ExportResult(
        path=str(output),
        size_bytes=output.stat().st_size,
        sha256=sha256_of(output),
        opset=opset,
        parameters=_parameters(model),
        network_parameters=whole,
        images=len(images),
        max_abs_difference=difference.absolute,
        max_relative_difference=difference.relative,
        passes=passes,
        removed=compaction.layers,
        unprunable=compaction.unprunable,
    )


def _options(compact: bool, round_to: int) -> str:
    if not compact:
        return " --keep-masked"
    return "" if round_to == ROUND_TO else f" --round-to {round_to}"


def _compared(network: nn.Module, model: ModelProto, batch: np.ndarray[Any, Any]) -> _Difference:
    """Largest difference over all images, and over the first image alone in a batch of one."""
    import numpy as np
    import onnxruntime as ort
    import torch

    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    parts = [batch[start : start + CHECK_BATCH] for start in range(0, len(batch), CHECK_BATCH)]
    absolute = largest = 0.0
    for part in [batch[:1], *parts]:
        with torch.inference_mode():
            expected = network(torch.from_numpy(part)).numpy()
        found = session.run([OUTPUT], {INPUT: part})[0]
        if not np.isfinite(expected).all():
            raise NncError("the network's logits are NaN or infinite on real images; retrain it")
        if found.shape != expected.shape:
            raise NncError(f"ONNX Runtime gives {list(found.shape)}, not {list(expected.shape)}")
        absolute = max(absolute, float(np.abs(found - expected).max()))
        largest = max(largest, float(np.abs(expected).max()))
    relative = absolute / largest if largest else absolute
    # Written so that a NaN from ONNX Runtime fails as well.
    if not relative <= LARGEST_RELATIVE_DIFFERENCE:
        raise NncError(
            f"the exported graph differs from PyTorch by {relative:.2g} relative on {len(batch)} "
            f"images; at most {LARGEST_RELATIVE_DIFFERENCE:g} is expected, so nothing was written"
        )
    return _Difference(absolute, relative)


def _parameters(model: ModelProto) -> int:
    import math

    from onnx import TensorProto

    return sum(
        math.prod(tensor.dims)
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT and tensor.dims
    )


def _sign(model: ModelProto) -> None:
    import onnx

    from .. import __version__

    model.producer_name = "nnc"
    model.producer_version = __version__
    model.graph.name = "network"
    onnx.checker.check_model(model, full_check=model.ByteSize() < SHAPE_CHECK_BYTES)


SHAPE_CHECK_BYTES = 64 << 20
"""The checker copies a model to infer its shapes; large ones are spared that."""
