"""Parts of a model that can be run for themselves, to see what its inner tensors hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ..passes.graph import subgraphs

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

__all__ = ["Batches", "Part", "run_batches", "upto"]

Batches = Callable[[], "Iterator[np.ndarray[Any, Any]]"]

_AT_ONCE = 16
"""Images a run, where the model leaves it open: whole feature maps leave the network."""


def upto(model: ModelProto, tensors: Collection[str]) -> ModelProto:
    """The part of ``model`` that makes ``tensors``, which become its only outputs, in that order.

    Tensors of the graph's inputs and initialisers may be among them.
    """
    from onnx import ModelProto, TensorProto, helper

    wanted = set(tensors)
    nodes = []
    for node in reversed(model.graph.node):
        if wanted.isdisjoint(node.output):
            continue
        nodes.append(node)
        wanted.update(node.input)
        wanted.update(
            name
            for item in node.attribute
            for nested in ([item.g] if item.HasField("g") else list(item.graphs))
            for inner in subgraphs(nested)
            for reader in inner.node
            for name in reader.input
        )
    part = ModelProto(ir_version=model.ir_version)
    part.opset_import.extend(model.opset_import)
    part.functions.extend(model.functions)
    graph = part.graph
    graph.name = model.graph.name or "part"
    graph.node.extend(reversed(nodes))
    graph.input.extend(model.graph.input)
    graph.initializer.extend(t for t in model.graph.initializer if t.name in wanted)
    graph.sparse_initializer.extend(
        t for t in model.graph.sparse_initializer if t.values.name in wanted
    )
    kinds = {value.name: value for value in (*model.graph.input, *model.graph.output)}
    for name in tensors:
        value = kinds.get(name)
        if value is None:
            value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        graph.output.append(value)
    return part


class Part:
    """A session of ONNX Runtime on a part of a model."""

    def __init__(self, model: ModelProto, *, threads: int = 0, int8: bool = False) -> None:
        """``int8`` lets int8 kernels run; else Q/DQ nodes are computed as they are written.

        Raises InputError where ONNX Runtime refuses the model.
        """
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.enable_cpu_mem_arena = False
        if not int8:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        try:
            self._session = ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no public base class
            raise InputError(f"ONNX Runtime cannot load the model: {_first(error)}") from error
        self._input = self._session.get_inputs()[0]

    @property
    def batch(self) -> int | None:
        """The batch size that the model fixes; None where it is open."""
        size = self._input.shape[0]
        return size if isinstance(size, int) else None

    def __call__(self, images: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        """The outputs for float32 [N, C, H, W] images.

        Raises InputError where the model cannot run on them.
        """
        try:
            outputs: list[np.ndarray[Any, Any]] = self._session.run(
                None, {self._input.name: images}
            )
        except Exception as error:
            raise InputError(f"the model cannot run on the images: {_first(error)}") from error
        return outputs


def run_batches(part: Part, images: Batches) -> Iterator[np.ndarray[Any, Any]]:
    """The images of one pass in runs that ``part`` takes; what fills no fixed batch is left out.

    Raises InputError where there are none.
    """
    import numpy as np

    seen = 0
    for batch in images():
        size = part.batch or _AT_ONCE
        for start in range(0, len(batch), size):
            run = np.ascontiguousarray(batch[start : start + size])
            if part.batch is not None and len(run) < size:
                continue
            yield run
            seen += len(run)
    if not seen:
        raise InputError("no images: expected at least one batch")


def _first(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
