"""A network's graph, traced once: its channel groups, and what compact export would leave of it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...exporters.channels import ChannelGroups, analyse, compact
from ...exporters.onnx_export import ROUND_TO
from ...exporters.onnx_trace import trace
from ...exporters.passes import run_passes
from ...runtimes.onnx_model.graph import read_graph

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

    from ...model_card import InputSpec

__all__ = ["Size", "Traced"]


@dataclass(frozen=True)
class Size:
    """What a compact ONNX file holds: weights and biases, those that are not zero, and
    multiply-accumulates for one image."""

    parameters: int
    nonzero_parameters: int
    macs: int


class Traced:
    """The graph of a network. Weights may change afterwards, the structure may not."""

    def __init__(self, model: ModelProto, spec: InputSpec) -> None:
        self._model = model
        self._spec = spec
        self.groups: ChannelGroups = analyse(model)
        """Parameter names in it are those of the network's state dict."""

    @classmethod
    def of(cls, network: nn.Module, spec: InputSpec) -> Traced:
        """Trace ``network``, which is not changed; seconds for a real one.

        Raises InputError where PyTorch cannot export it.
        """
        twin = copy.deepcopy(network).cpu().eval().to(memory_format=torch.contiguous_format)
        return cls(trace(twin, spec), spec)

    def compacted(self, network: nn.Module, *, round_to: int = ROUND_TO) -> ModelProto:
        """The graph that `nnc export` would ship with the weights that ``network`` has now."""
        from onnx import ModelProto, numpy_helper

        state = {name: value.detach() for name, value in network.state_dict().items()}
        model = ModelProto()
        model.CopyFrom(self._model)
        for tensor in model.graph.initializer:
            if (value := state.get(tensor.name)) is not None:
                array = np.ascontiguousarray(value.cpu().numpy())
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        run_passes(model, ["batch_norm"])
        compact(model, round_to=round_to)
        run_passes(model)
        return model

    def size(self, network: nn.Module, *, round_to: int = ROUND_TO) -> Size:
        """What `nnc export` would write with the weights that ``network`` has now."""
        spec = self._spec
        facts = read_graph(
            self.compacted(network, round_to=round_to), (spec.channels, spec.height, spec.width)
        )
        return Size(facts.parameters, facts.nonzero_parameters, facts.macs or 0)
