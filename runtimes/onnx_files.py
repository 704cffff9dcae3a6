"""ONNX files in and out: damaged ones refused in one line, none reading outside its folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from ..errors import InputError
from ..whole_files import check_input, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import onnx

__all__ = [
    "check_external_data",
    "load_model",
    "may_have_external_data",
    "read_properties",
    "save_model",
    "write_properties",
]

LARGEST_BYTES = 2**31 - 1
"""Protobuf's limit: a larger ONNX model must keep its weights in external data."""

_FOUR_BIT = ("UINT4", "INT4", "FLOAT4E2M1")


def load_model(path: Path) -> onnx.ModelProto:
    """Parse and validate an ONNX file; external weights, if any, are read into the model.

    Raises InputError for anything that is not a whole, well-formed model: a missing, empty,
    truncated or random file, a tensor whose bytes do not fill its shape, a node that reads a value
    nobody makes, or external data that is missing, too short or outside the model's own folder.
    """
    model = _parse(path)
    for tensor in _tensors(model):
        if _is_external(tensor):
            location, offset, length = _external_range(tensor, path)
            with location.open("rb") as stream:
                stream.seek(offset)
                tensor.raw_data = stream.read(length)
            tensor.ClearField("data_location")
            tensor.ClearField("external_data")
    return model


def check_external_data(path: Path) -> None:
    """Raise InputError where an ONNX file is damaged or refers outside its own folder."""
    for tensor in _tensors(_parse(path)):
        if _is_external(tensor):
            _external_range(tensor, path)


def may_have_external_data(path: Path) -> bool:
    """Whether a file can hold a tensor with external data, without parsing it.

    Such a tensor carries the key ``location`` verbatim, so a file without these bytes has none.
    """
    key = b"location"
    tail = b""
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            if key in tail + block:
                return True
            tail = block[-len(key) :]
    return False


def save_model(model: onnx.ModelProto, path: Path, *, overwrite: bool = False) -> None:
    """Write a model to one file, whole or not at all; InputError where it passes 2 GB."""
    if (size := model.ByteSize()) > LARGEST_BYTES:
        raise InputError(f"{path}: the model takes {size} bytes; one ONNX file holds 2 GB at most")
    data = model.SerializeToString()
    with write_whole(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)


def read_properties(model: onnx.ModelProto) -> dict[str, str]:
    """The model's ``metadata_props`` as a dictionary."""
    return {entry.key: entry.value for entry in model.metadata_props}


def write_properties(model: onnx.ModelProto, properties: Mapping[str, str]) -> None:
    """Set entries of ``metadata_props``; those not named in ``properties`` stay."""
    merged = {**read_properties(model), **properties}
    del model.metadata_props[:]
    for key in sorted(merged):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, merged[key]


def _parse(path: Path) -> onnx.ModelProto:
    import onnx

    check_input(path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(
                f"{path} is over 2 GB, more than an ONNX file can hold; "
                "save the model with its weights as external data"
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
        problem = _problem(model)
    # A DecodeError of protobuf's, or a UnicodeDecodeError when a string is looked at.
    except Exception as error:
        raise InputError(
            f"{path} is not an ONNX model, or it is damaged or truncated; "
            "expected a file written by nnc export or another ONNX exporter"
        ) from error
    if problem:
        raise InputError(f"{path} is not a usable ONNX model: {problem}")
    return model


def _problem(model: onnx.ModelProto) -> str:
    """What is wrong with a parsed model, or an empty string.

    Lighter than onnx.checker, which copies the weights and stops at 2 GB.
    """
    graph = model.graph
    if not model.opset_import or model.ir_version < 1:
        return "it states no opset or IR version (truncated?)"
    if not graph.node or not graph.output:
        return "it has no nodes or no outputs (truncated?)"
    read_properties(model)
    known = {value.name for value in graph.input} | {""}
    for tensor in graph.initializer:
        known.add(tensor.name)
    known |= {sparse.values.name for sparse in graph.sparse_initializer}
    if not known - {""}:
        return "it has no inputs"
    for node in graph.node:
        if not node.op_type:
            return "a node without an operator type"
        for name in node.input:
            if name not in known:
                return f"node '{node.name}' ({node.op_type}) reads '{name}', which nothing makes"
        known.update(node.output)
    for value in graph.output:
        if value.name not in known:
            return f"nothing makes its output '{value.name}'"
    for tensor in _tensors(model):
        if fault := _tensor_problem(tensor):
            return f"tensor '{tensor.name}' {fault}"
    return ""


def _tensor_problem(tensor: onnx.TensorProto) -> str:
    if any(size < 0 for size in tensor.dims):
        return f"has a negative size in its shape {list(tensor.dims)}"
    expected = _byte_count(tensor)
    if expected is None or _is_external(tensor) or not tensor.HasField("raw_data"):
        return ""
    if len(tensor.raw_data) != expected:
        return (
            f"holds {len(tensor.raw_data)} bytes where its shape {list(tensor.dims)} "
            f"takes {expected} (damaged?)"
        )
    return ""


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor that may hold data: initialisers and attributes, in subgraphs and functions."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)
    for training in model.training_info:
        yield from _graph_tensors(training.initialization)
        yield from _graph_tensors(training.algorithm)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterator[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _graph_tensors(attribute.g)
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
            yield from attribute.tensors
            for sparse in attribute.sparse_tensors:
                yield from (sparse.values, sparse.indices)
            for graph in attribute.graphs:
                yield from _graph_tensors(graph)


def _is_external(tensor: onnx.TensorProto) -> bool:
    import onnx

    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data)


def _byte_count(tensor: onnx.TensorProto) -> int | None:
    """Bytes that a tensor's shape and type take; None for strings and types unknown here."""
    import onnx

    count = 1
    for size in tensor.dims:
        count *= size
    try:
        if onnx.TensorProto.DataType.Name(tensor.data_type) in _FOUR_BIT:
            return (count + 1) // 2
        if tensor.data_type in (onnx.TensorProto.STRING, onnx.TensorProto.UNDEFINED):
            return None
        return count * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except (KeyError, ValueError, TypeError):
        return None


def _external_range(tensor: onnx.TensorProto, path: Path) -> tuple[Path, int, int]:
    """File, offset and length in bytes of an external tensor; InputError unless all is in order."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    what = f"{path}: external data '{location}' of tensor '{tensor.name}'"
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    outside = posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    folder = os.path.realpath(path.parent)
    try:
        resolved = os.path.realpath(Path(folder) / location)
    except (OSError, ValueError):  # a null byte, a symbolic link to itself
        outside, resolved = True, folder
    if not location or outside or os.path.commonpath([folder, resolved]) != folder:
        raise InputError(f"{what} lies outside the model's folder; put it beside the model")
    if not (target := Path(resolved)).is_file():
        raise InputError(f"{what} does not exist; put it beside the model")
    expected = _byte_count(tensor)
    try:
        offset = int(entries.get("offset") or 0)
        length = int(entries.get("length") or expected or 0)
        available = target.stat().st_size
    except (ValueError, OSError) as error:
        raise InputError(f"{what} states no usable offset and length") from error
    if offset < 0 or length < 0 or (expected is not None and length != expected):
        raise InputError(f"{what} states {length} bytes from {offset}; its shape takes {expected}")
    if offset + length > available:
        raise InputError(
            f"{what} is too short: {available} bytes, expected {offset + length} (truncated?)"
        )
    return target, offset, length
