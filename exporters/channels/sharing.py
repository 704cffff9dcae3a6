"""Constants that several nodes read: one each while channels are looked for, one again after.

Exporters store equal parameters once, such as two biases of zeros, which ties channels together
that have nothing to do with each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..passes.graph import initialisers, rename_tensor, subgraphs, tensor_names, unique_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from onnx import ModelProto, TensorProto

__all__ = ["equal_as_one", "join", "separate", "shared_constants"]


def shared_constants(model: ModelProto) -> dict[str, bool]:
    """Floating-point constants of two numbers or more that several nodes read, and whether each is
    a vector."""
    from onnx import TensorProto

    kinds = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    found = {}
    readers: dict[str, int] = {}
    for node in model.graph.node:
        for name in set(node.input):
            readers[name] = readers.get(name, 0) + 1
    for name, tensor in initialisers(model.graph).items():
        wide = sum(size > 1 for size in tensor.dims)
        if readers.get(name, 0) > 1 and wide and tensor.data_type in kinds:
            found[name] = wide == 1
    return found


def separate(model: ModelProto, names: Collection[str]) -> dict[str, str]:
    """Give each node that reads one of ``names`` a copy of its own, in place, but for the first;
    what is an output or read by a nested graph keeps its own too. Copy -> what it is of."""
    graph = model.graph
    stored = initialisers(graph)
    taken = tensor_names(graph)
    seen = {value.name for value in graph.output}
    for nested in list(subgraphs(graph))[1:]:
        seen.update(name for node in nested.node for name in node.input)
    copies = {}
    for node in graph.node:
        for name in sorted(set(node.input) & set(names)):
            if name not in seen:
                seen.add(name)
                continue
            copy = graph.initializer.add()
            copy.CopyFrom(stored[name])
            copy.name = unique_name(name, taken)
            copies[copy.name] = name
            for index, given in enumerate(node.input):
                if given == name:
                    node.input[index] = copy.name
    return copies


def equal_as_one(model: ModelProto, names: Collection[str]) -> None:
    """Store constants of the same kind, shape and content once, in place, where all or all but the
    first are among ``names``; graph outputs stay."""
    graph = model.graph
    outputs = {value.name for value in graph.output}
    first: dict[tuple[object, ...], str] = {}
    own = sorted(initialisers(graph).values(), key=lambda tensor: tensor.name in names)
    shapes = {_kind(tensor) for tensor in own if tensor.name in names}
    gone: dict[str, str] = {}
    for tensor in own:
        if _kind(tensor) not in shapes:
            continue
        kept = first.setdefault((*_kind(tensor), _content(tensor)), tensor.name)
        if kept != tensor.name and tensor.name in names and tensor.name not in outputs:
            gone[tensor.name] = kept
    for name, kept in gone.items():
        rename_tensor(graph, name, kept)
    for tensor in [tensor for tensor in graph.initializer if tensor.name in gone]:
        graph.initializer.remove(tensor)


def join(model: ModelProto, copies: Mapping[str, str]) -> None:
    """Undo `separate`, in place."""
    graph = model.graph
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name in copies:
                node.input[index] = copies[name]
    for tensor in [tensor for tensor in graph.initializer if tensor.name in copies]:
        graph.initializer.remove(tensor)


def _kind(tensor: TensorProto) -> tuple[object, ...]:
    return (tensor.data_type, tuple(tensor.dims))


def _content(tensor: TensorProto) -> bytes:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.STRING:
        return repr(list(tensor.string_data)).encode()
    return bytes(numpy_helper.to_array(tensor).tobytes())
