"""Checkpoints: weights in safetensors, the model card in its header. No pickle, ever."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..model_card import ModelCard
from ..whole_files import check_input, write_whole
from .registry import build, find

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

__all__ = ["load", "read_arrays", "read_card", "save", "save_tensors"]

SUFFIX = ".safetensors"


def save(
    path: Path,
    network: nn.Module | Mapping[str, torch.Tensor],
    card: ModelCard,
    *,
    half: bool = False,
    overwrite: bool = False,
) -> None:
    """Write weights and card to ``path``, whole or not at all.

    ``half`` keeps convolution and fully-connected weights in float16; biases, batch-norm
    parameters and running statistics stay float32. Raises InputError where ``path`` exists
    (unless ``overwrite``) or does not end in ``.safetensors``.
    """
    import torch

    if path.suffix != SUFFIX:
        raise InputError(f"{path}: a checkpoint's name ends in {SUFFIX}")
    state = network.state_dict() if isinstance(network, torch.nn.Module) else network
    tensors = {}
    for name, tensor in state.items():
        tensor = tensor.detach().cpu()
        if half and tensor.is_floating_point() and tensor.dim() >= 2:
            tensor = tensor.half()
        tensors[name] = tensor.clone(memory_format=torch.contiguous_format)
    with write_whole(path, overwrite=overwrite) as temporary:
        save_tensors(tensors, temporary, card.to_properties())


def read_card(path: Path) -> ModelCard:
    """The card in a checkpoint's header; needs no torch. Raises InputError for any other file."""
    with _opened(path) as handle:
        card = ModelCard.from_properties(handle.metadata() or {}, str(path))
    if card is None or not card.architecture:
        raise InputError(
            f"{path} is a safetensors file of another tool (no nnc metadata); "
            "expected a checkpoint written by nnc train or nnc prune"
        )
    return card


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """All tensors of a checkpoint by name, as stored; needs no torch."""
    with _opened(path) as handle:
        return {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118


def load(path: Path) -> tuple[nn.Module, ModelCard]:
    """The network of a checkpoint, float32 and in evaluation mode, with its card.

    Raises InputError where the file is no nnc checkpoint, names an unknown architecture, does not
    fit it, or holds NaN or infinite weights.
    """
    import torch

    card = read_card(path)
    try:
        find(card.architecture).check_size(card.input.height, card.input.width)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    with torch.device("meta"):
        network = build(
            card.architecture,
            len(card.labels),
            card.input.channels,
            regularisation=card.regularisation,
        )
    expected = network.state_dict()
    state = {}
    for name, array in read_arrays(path).items():
        if name not in expected:
            raise InputError(f"{path}: tensor '{name}' is none of {card.architecture}'s")
        if tuple(array.shape) != tuple(expected[name].shape):
            raise InputError(
                f"{path}: '{name}' has shape {list(array.shape)}; "
                f"{card.architecture} needs {list(expected[name].shape)}"
            )
        tensor = torch.from_numpy(array).to(expected[name].dtype)
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{path}: '{name}' holds NaN or infinite values")
        state[name] = tensor
    if missing := sorted(set(expected) - set(state)):
        raise InputError(f"{path}: '{missing[0]}' and {len(missing) - 1} more tensors are missing")
    network.load_state_dict(state, assign=True)
    return network.eval(), card


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    check_input(path)
    _refuse_pickle(path)
    try:
        with safe_open(path, framework="numpy") as handle:
            yield handle
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a readable safetensors file ({str(error).splitlines()[0]}); "
            "it may be truncated or of another kind"
        ) from error


def _refuse_pickle(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(4)
    if start[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") or start == b"PK\x03\x04":
        raise InputError(
            f"{path} looks like a pickled PyTorch checkpoint; nnc never unpickles. "
            "Save its state_dict with safetensors.torch.save_file instead"
        )


def save_tensors(tensors: dict[str, torch.Tensor], path: Path, properties: dict[str, str]) -> None:
    """Write a safetensors file; OSError, with its number, where the system refuses."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(tensors, path, metadata=properties)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise OSError(str(error)) from error
        code = int(number[1])
        raise OSError(code, os.strerror(code)) from error
