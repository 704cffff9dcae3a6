"""ONNX graphs of PyTorch networks, by the dynamo exporter: one to ship, one to look at."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import TYPE_CHECKING

from ..errors import InputError
from .channels.shapes import settle_reshapes
from .packages import need
from .passes import run_passes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import ModelProto
    from torch import nn
    from torch.onnx import ONNXProgram

    from ..model_card import InputSpec

__all__ = ["INPUT", "OUTPUT", "shipped_graph", "trace"]

INPUT, OUTPUT = "input", "logits"

SHAPE_ELEMENTS = 4096
"""Constants of up to this many elements are computed beforehand: shapes, not weights."""


def shipped_graph(network: nn.Module, spec: InputSpec) -> ModelProto:
    """The graph as PyTorch optimises it: batch-norms folded, input `INPUT`, output `OUTPUT`."""
    model: ModelProto = _program(network, spec, optimise=True).model_proto
    return model


def trace(network: nn.Module, spec: InputSpec) -> ModelProto:
    """The graph of ``network`` as it is: batch-norms stay, weights keep their state-dict names.

    For looking at a network's structure, not for shipping it. Raises MissingError where onnxscript
    is not installed and InputError where PyTorch cannot export the network.
    """
    need("exporting", "onnxscript")
    from onnxscript import optimizer

    program = _program(network, spec, optimise=False)
    optimizer.fold_constants(
        program.model, input_size_limit=SHAPE_ELEMENTS, output_size_limit=SHAPE_ELEMENTS
    )
    optimizer.remove_unused_nodes(program.model)
    model: ModelProto = program.model_proto
    run_passes(model, ["constants"])
    settle_reshapes(model)
    run_passes(model, ["dead_code"])
    return model


def _program(network: nn.Module, spec: InputSpec, *, optimise: bool) -> ONNXProgram:
    import torch

    need("exporting", "onnxscript")
    # Two images: the exporter takes a batch of one for a constant.
    example = torch.zeros(2, spec.channels, spec.height, spec.width)
    try:
        with _silence():
            program = torch.onnx.export(
                network,
                (example,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                external_data=False,
                verbose=False,
                optimize=optimise,
            )
    except torch.onnx.OnnxExporterError as error:
        raise InputError(f"PyTorch cannot export the network: {_first_line(error)}") from error
    assert program is not None
    return program


def _first_line(error: BaseException) -> str:
    """What went wrong underneath, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what the exporter prints, warns and logs off the terminal, and all its files away."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


_LOGGERS = ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir")
