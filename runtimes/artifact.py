"""What a file says of itself: card, size, parameters, MACs and layers; needs no PyTorch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import InputError
from ..model_card import InputSpec, ModelCard
from ..whole_files import check_input, sha256_of
from .artifact_record import Artifact
from .card_overrides import (
    NO_OVERRIDES,
    CardOverrides,
    first_of,
    foreign_input,
    foreign_labels,
    overridden,
    say_assumed,
)
from .onnx_model.graph import LayerFacts
from .onnx_model.zero_weights import whole_zeros
from .registry import find_runtime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import onnx

    from .base import TensorSpec
    from .onnx_model.graph import GraphFacts

__all__ = ["NO_OVERRIDES", "Artifact", "CardOverrides", "overridden", "read_artifact"]

_CHANNELS = (1, 3)
"""Grey or colour."""
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def read_artifact(
    path: Path,
    overrides: CardOverrides = NO_OVERRIDES,
    *,
    defaults: CardOverrides = NO_OVERRIDES,
    trust: bool = False,
) -> Artifact:
    """Read a ``.safetensors``, ``.onnx`` or ``.engine`` file without running it.

    ``overrides`` win over what the file says, with a warning where its metadata says otherwise.
    ``defaults`` (the data set's own) serve an ONNX file without nnc's metadata, where neither
    ``overrides`` nor the graph's shapes tell; without them pixels are only scaled to 0..1 and the
    labels are "0" to "K-1". Where such a file's output is more than [N, classes], as a feature map
    is, it has no labels. An engine is what its sidecar says; ``trust`` takes one without it. Raises
    InputError for a damaged file, one of another kind, one that does not take a single batch of
    images, and one that gives a single score for an image; MissingError for an engine that its
    sidecar does not describe.
    """
    entry = find_runtime(path)
    check_input(path)
    if path.suffix.lower() == ".engine":
        from .trt.artifact import read_engine

        return read_engine(path, entry.name, overrides, defaults, trust=trust)
    return _READERS[path.suffix.lower()](path, entry.name, overrides, defaults)


def _read_checkpoint(
    path: Path, runtime: str, overrides: CardOverrides, defaults: CardOverrides
) -> Artifact:
    import numpy as np

    from ..models.checkpoint import read_arrays, read_card

    del defaults
    card = overridden(read_card(path), overrides, path)
    layers: dict[str, LayerFacts] = {}
    for name, array in read_arrays(path).items():
        stem, _, leaf = name.rpartition(".")
        if leaf in _BUFFERS or not np.issubdtype(array.dtype, np.floating):
            continue
        zero = array == 0
        kind = {4: "Conv", 2: "Linear"}.get(array.ndim, "BatchNorm")
        layer = layers.setdefault(stem, LayerFacts(stem, kind, None, 0, None, str(array.dtype)))
        # A bias may come before its weight; the tensor with more axes names the layer.
        if array.ndim > 1:
            layer = replace(layer, op=kind, dtype=str(array.dtype))
        layers[stem] = replace(
            layer,
            parameters=layer.parameters + int(array.size),
            zeros=layer.zeros + int(np.count_nonzero(zero)),
            whole_zeros=layer.whole_zeros + whole_zeros(zero),
        )
    spec = card.input
    return Artifact(
        path=path,
        kind="checkpoint",
        runtime=runtime,
        card=card,
        own_metadata=True,
        input_shape=(None, spec.channels, spec.height, spec.width),
        size_bytes=path.stat().st_size,
        sha256=sha256_of(path),
        parameters=sum(layer.parameters for layer in layers.values()),
        nonzero_parameters=sum(layer.parameters - layer.zeros for layer in layers.values()),
        macs=card.macs,
        layers=tuple(layers.values()),
    )


def _read_onnx(
    path: Path, runtime: str, overrides: CardOverrides, defaults: CardOverrides
) -> Artifact:
    from .onnx_model.files import load_model, read_properties, stored_bytes
    from .onnx_model.shapes import graph_inputs, graph_outputs

    model = load_model(path)
    spec = _image_input(graph_inputs(model), path)
    own = ModelCard.from_properties(read_properties(model), str(path))
    if own is not None:
        card = overridden(own, overrides, path)
        facts = _graph_facts(model, _image_size(card.input), path)
    else:
        given = first_of(overrides, defaults)
        square = given.image_size
        channels, height, width = (
            own_size or other
            for own_size, other in zip(spec.shape[1:], (None, square, square), strict=True)
        )
        if overrides.image_size is not None:
            height = width = overrides.image_size
        channels = channels or (len(given.mean) if given.mean else None)
        if not channels or not height or not width:
            raise InputError(
                f"{path}: its input '{spec.name}' leaves channels or image size open; "
                "say --image-size, and --mean and --std with one number a channel"
            )
        facts = _graph_facts(model, (channels, height, width), path)
        output = facts.output_shape
        if not output or None in output[1:]:
            output = graph_outputs(model)[0].shape
        image = foreign_input((channels, height, width), overrides, defaults, path)
        card = ModelCard(image, foreign_labels(output, overrides, defaults, path))
    _check_shape(spec, card.input, path)
    if own is None:
        say_assumed(card.input, overrides, defaults, path)
    return Artifact(
        path=path,
        kind="onnx",
        runtime=runtime,
        card=card,
        own_metadata=own is not None,
        input_shape=spec.shape,
        size_bytes=stored_bytes(path),
        sha256=sha256_of(path),
        parameters=facts.parameters,
        nonzero_parameters=facts.nonzero_parameters,
        macs=card.macs if facts.macs is None else facts.macs,
        layers=facts.layers,
    )


_READERS: dict[str, Callable[[Path, str, CardOverrides, CardOverrides], Artifact]] = {
    ".onnx": _read_onnx,
    ".safetensors": _read_checkpoint,
}


def _graph_facts(model: onnx.ModelProto, image: tuple[int, int, int], path: Path) -> GraphFacts:
    """`read_graph`, with whatever it stumbles over in a damaged model told in one line."""
    from .onnx_model.graph import read_graph

    try:
        return read_graph(model, image)
    except MemoryError:
        raise
    # A damaged model can break any assumption about its nodes: no common base.
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"{path} is not a usable ONNX model: its graph cannot be read "
            f"({type(error).__name__}: {first})"
        ) from error


def _image_input(inputs: tuple[TensorSpec, ...], path: Path) -> TensorSpec:
    if len(inputs) != 1:
        names = ", ".join(f"'{spec.name}'" for spec in inputs) or "none"
        raise InputError(f"{path} takes {len(inputs)} inputs ({names}); expected one image batch")
    spec = inputs[0]
    if len(spec.shape) != 4 or spec.dtype != "float32":
        shape = ", ".join("?" if size is None else str(size) for size in spec.shape)
        raise InputError(
            f"{path}: its input '{spec.name}' is {spec.dtype} [{shape}]; "
            "expected images, float32 [N, channels, height, width]"
        )
    if spec.shape[3] in _CHANNELS and spec.shape[1] not in (None, *_CHANNELS):
        shape = ", ".join("?" if size is None else str(size) for size in spec.shape)
        raise InputError(
            f"{path}: its input '{spec.name}' [{shape}] has its channels last; "
            "expected [N, channels, height, width]: export it with channels first"
        )
    return spec


def _check_shape(spec: TensorSpec, image: InputSpec, path: Path) -> None:
    for own, said in zip(spec.shape[1:], _image_size(image), strict=True):
        if own not in (None, said):
            raise InputError(
                f"{path}: its graph takes {list(spec.shape[1:])} (channels, height, width), "
                f"but its metadata or options say {list(_image_size(image))}"
            )


def _image_size(spec: InputSpec) -> tuple[int, int, int]:
    return spec.channels, spec.height, spec.width
