"""ONNX files in and out: damaged ones refused in one line, none reading outside its folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from ...errors import InputError
from ...whole_files import check_input, write_whole
from .node_order import sort_nodes
from .problems import byte_count, is_external, model_problem, model_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

__all__ = [
    "check_external_data",
    "external_files",
    "joined_sha256",
    "load_model",
    "may_have_external_data",
    "read_properties",
    "save_model",
    "stored_bytes",
    "write_properties",
]

LARGEST_BYTES = 2**31 - 1
"""Protobuf's limit: a larger ONNX model must keep its weights in external data."""


def load_model(path: Path) -> onnx.ModelProto:
    """Parse and validate an ONNX file; external weights, if any, are read into the model.

    Raises InputError for anything that is not a whole, well-formed model: a missing, empty,
    truncated or random file, a tensor whose content does not fill its shape, a node that reads a
    value nobody makes or makes one that is there, or external data that is missing, too short or
    outside the model's own folder.
    """
    model = _parse(path)
    for tensor in model_tensors(model):
        if is_external(tensor):
            location, offset, length = _external_range(tensor, path)
            with location.open("rb") as stream:
                stream.seek(offset)
                tensor.raw_data = stream.read(length)
            tensor.ClearField("data_location")
            tensor.ClearField("external_data")
    return model


def check_external_data(path: Path) -> None:
    """Raise InputError where an ONNX file is damaged or refers outside its own folder."""
    for tensor in model_tensors(_parse(path)):
        if is_external(tensor):
            _external_range(tensor, path)


def stored_bytes(path: Path) -> int:
    """Bytes that an ONNX file takes on disk, with its `external_files`; InputError as above."""
    return sum(file.stat().st_size for file in (path, *external_files(path)))


def joined_sha256(digests: Sequence[str]) -> str:
    """One digest for a model and its `external_files`; a single one stays what it is."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def external_files(path: Path) -> tuple[Path, ...]:
    """The files beside an ONNX file that hold weights of it, each once; InputError as above."""
    if not may_have_external_data(path):
        return ()
    tensors = [tensor for tensor in model_tensors(_parse(path)) if is_external(tensor)]
    return tuple(dict.fromkeys(_external_range(tensor, path)[0] for tensor in tensors))


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
        read_properties(model)
        sort_nodes(model.graph)
        problem = model_problem(model)
    # A DecodeError of protobuf's, or a UnicodeDecodeError when a string is looked at.
    except Exception as error:
        raise InputError(
            f"{path} is not an ONNX model, or it is damaged or truncated; "
            "expected a file written by nnc export or another ONNX exporter"
        ) from error
    if problem:
        raise InputError(f"{path} is not a usable ONNX model: {problem}")
    return model


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
    expected = byte_count(tensor)
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
