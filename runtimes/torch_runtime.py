"""PyTorch behind the runtime protocol: eager, the baseline of every speed-up, or compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InputError, MissingError
from .base import DEFAULT_OPTIONS, RuntimeOptions, TensorSpec, check_place
from .install import install_command
from .reasons import short_reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    from torch import nn
    from typing_extensions import Self

    from ..model_card import ModelCard

__all__ = ["TorchRuntime", "load_network"]


def load_network(path: Path) -> tuple[nn.Module, ModelCard]:
    """The network of a checkpoint, float32 and in evaluation mode, with its card.

    Raises InputError for a bad checkpoint, MissingError where PyTorch is not installed.
    """
    try:
        from ..models.checkpoint import load

        return load(path)
    except ImportError as error:
        raise MissingError(
            f"{path} needs PyTorch, which is not installed; "
            f"{install_command('train')}, or use .onnx files only"
        ) from error


class TorchRuntime:
    """A ``.safetensors`` checkpoint as PyTorch runs it out of the box: eager, float32, NCHW.

    With ``options.compiled`` by ``torch.compile`` out of the box; then the first inference of a
    shape takes as long as compiling does. Threads are a setting of the whole process in PyTorch;
    leaving the block restores the old one. Feeds and results are host arrays; on ``cuda`` `run`
    includes both copies.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str = "cpu",
        threads: int = 1,
        options: RuntimeOptions = DEFAULT_OPTIONS,
    ) -> None:
        check_place(device, threads)
        self._path = path
        self._compiled = options.compiled
        self._device = device
        self._threads = threads
        self._threads_before = 0
        self._network: Any = None
        self._torch: Any = None
        self._inputs: tuple[TensorSpec, ...] = ()
        self._outputs: tuple[TensorSpec, ...] = ()

    @property
    def name(self) -> str:
        """``pytorch`` or ``pytorch-compiled``."""
        return "pytorch-compiled" if self._compiled else "pytorch"

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """One image batch, ``input``: float32 [N, C, H, W]."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """One batch of scores, ``logits``: float32 [N, classes]."""
        return self._outputs

    def __enter__(self) -> Self:
        network, card = load_network(self._path)
        import torch

        if self._device == "cuda" and not torch.cuda.is_available():
            raise MissingError(
                "PyTorch finds no CUDA device here; use --device cpu, "
                "or check the NVIDIA driver (nvidia-smi)"
            )
        self._threads_before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        self._torch = torch
        network = network.to(self._device)
        self._network = torch.compile(network) if self._compiled else network
        spec = card.input
        self._inputs = (
            TensorSpec("input", "float32", (None, spec.channels, spec.height, spec.width)),
        )
        self._outputs = (TensorSpec("logits", "float32", (None, len(card.labels))),)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._torch.set_num_threads(self._threads_before)
        self._network = self._torch = None
        self._inputs = self._outputs = ()

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Scores of one batch; InputError where the feed's name or shape does not fit."""
        if self._network is None:
            raise RuntimeError("TorchRuntime.run outside its with block")
        if set(feeds) != {"input"}:
            raise InputError(f"{self._path}: fed {sorted(feeds)}; expected 'input' alone")
        array, expected = feeds["input"], self._inputs[0].shape[1:]
        if str(array.dtype) != "float32" or array.shape[1:] != expected:
            raise InputError(
                f"{self._path}: fed {array.dtype} {list(array.shape)}; "
                f"expected float32 [N, {', '.join(map(str, expected))}]"
            )
        with self._torch.inference_mode():
            batch = self._torch.from_numpy(array).to(self._device)
            try:
                logits = self._network(batch)
            except RuntimeError as error:
                if self._compiled:
                    raise MissingError(
                        f"{self._path}: torch.compile cannot compile it here "
                        f"({short_reason(error)}); it needs a C++ compiler, and on a GPU Triton; "
                        "measure without --torch-compile"
                    ) from error
                reason = str(error).splitlines()[0]
                raise InputError(f"{self._path}: PyTorch cannot run it: {reason}") from error
            return {"logits": logits.cpu().numpy()}
