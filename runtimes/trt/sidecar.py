"""The sidecar of an engine, ``X.engine.json``: all that the plan does not say of itself."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ...errors import InputError
from ...model_card import ModelCard
from ...whole_files import check_input, write_whole
from ..base import TensorSpec
from .compat import FLAVOURS, PRECISIONS

__all__ = ["SCHEMA_VERSION", "LayerPrecision", "Sidecar", "read_sidecar", "sidecar_path"]

SCHEMA_VERSION = 1

_T = TypeVar("_T")
_LARGEST = 256 << 20
_MOST = 2**31 - 1
"""Of a batch or a dimension, as TensorRT counts them."""
_CAPABILITIES = range(10, 10_000)
_MOST_TARGETS = 64
_VERSION = re.compile(r"\d[\w.+-]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class LayerPrecision:
    """A layer of the network and what it computes in."""

    name: str
    op: str
    precision: str
    """``int8``, ``fp16`` or ``fp32``."""
    why: str = ""
    """Why it is no int8, where int8 was asked for."""


@dataclass(frozen=True)
class Sidecar:
    """What an engine is, where it runs and what it came from."""

    flavour: str
    """``tensorrt`` or ``rtx``."""
    version: str
    """Of the library that built it, which is the one that loads it: ``10.13.0.35``."""
    cuda: str
    """Major version of the CUDA that library was built for; may be empty."""
    precision: str
    batch: tuple[int, int, int]
    """Least, best and greatest batch size."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    card: ModelCard
    engine_sha256: str
    parent_sha256: str
    """Of the ONNX file that the engine was built from."""
    parameters: int | None
    nonzero_parameters: int | None
    own_metadata: bool = True
    """Whether the card comes from nnc's metadata in the ONNX file."""
    gpu: str = ""
    """Name of the GPU it was built on; empty where it was built for ``targets`` without one."""
    capability: int | None = None
    """Compute capability of that GPU: 89 is 8.9, 120 is 12.0."""
    targets: tuple[int, ...] = ()
    """Compute capabilities it was built for; () is ``capability`` alone."""
    layers: tuple[LayerPrecision, ...] = ()
    layers_requested: bool = False
    """Whether ``layers`` is what was asked for: flags of a weakly typed library only permit."""
    tf32: bool = False
    """Whether what is fp32 may be computed in TF32, with 10 bits."""
    calibration: Mapping[str, Any] = field(default_factory=dict)
    """Which images, which method; empty without calibration."""
    build_seconds: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(dict.fromkeys(self.targets)))
        _check_words(self)
        _check_numbers(self)
        for name, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            if not tensors:
                raise InputError(f"no {name}; an engine has one at least")
            for tensor in tensors:
                if not all(size is None or 0 <= size <= _MOST for size in tensor.shape):
                    raise InputError(f"{name}: impossible shape {_shown(list(tensor.shape))}")
        _check_images(self)

    @property
    def runs_on(self) -> tuple[int, ...]:
        """Compute capabilities of the GPUs that it runs on."""
        return self.targets or ((self.capability,) if self.capability is not None else ())

    def to_json(self) -> dict[str, Any]:
        """The sidecar as plain JSON values; the card's properties without their ``nnc.``."""
        values = asdict(self)
        for side in ("inputs", "outputs"):
            for tensor in values[side]:
                del tensor["batches"]  # `batch` says it
        values["card"] = {
            key.removeprefix("nnc."): json.loads(text)
            for key, text in self.card.to_properties().items()
        }
        # Through the text, so that tuples are lists as they are when it is read back.
        plain: dict[str, Any] = json.loads(json.dumps(values, allow_nan=False))
        return {"schema_version": SCHEMA_VERSION, **plain}

    @classmethod
    def from_json(cls, values: Any, source: str) -> Sidecar:
        """Read `to_json` back; ``source`` names the file in messages.

        Raises InputError where it is damaged, or of a newer schema than this nnc knows.
        """
        try:
            version = _typed(_typed(values, dict, "the file")["schema_version"], int, "schema")
            if version > SCHEMA_VERSION:
                raise InputError(
                    f"schema {_shown(version)}, this nnc reads up to {SCHEMA_VERSION}; update nnc"
                )
            if version < 1:
                raise ValueError(f"schema {_shown(version)}")
            properties = {
                f"nnc.{key}": json.dumps(value)
                for key, value in _typed(values["card"], dict, "card").items()
            }
            card = ModelCard.from_properties(properties, source)
            if card is None:
                raise ValueError("no card")
            return cls(
                flavour=_typed(values["flavour"], str, "flavour"),
                version=_typed(values["version"], str, "version"),
                cuda=_typed(values["cuda"], str, "cuda"),
                precision=_typed(values["precision"], str, "precision"),
                engine_sha256=_typed(values["engine_sha256"], str, "engine_sha256"),
                parent_sha256=_typed(values["parent_sha256"], str, "parent_sha256"),
                gpu=_typed(values["gpu"], str, "gpu"),
                parameters=_count(values["parameters"], "parameters"),
                nonzero_parameters=_count(values["nonzero_parameters"], "nonzero_parameters"),
                batch=_triple(values["batch"]),
                inputs=_tensors(values["inputs"], "inputs"),
                outputs=_tensors(values["outputs"], "outputs"),
                card=card,
                own_metadata=_typed(values["own_metadata"], bool, "own_metadata"),
                capability=_count(values["capability"], "capability"),
                targets=_whole_numbers(values["targets"], "targets"),
                layers=tuple(map(_layer, _typed(values["layers"], list, "layers"))),
                layers_requested=_typed(values["layers_requested"], bool, "layers_requested"),
                tf32=_typed(values["tf32"], bool, "tf32"),
                calibration=_typed(values["calibration"], dict, "calibration"),
                build_seconds=_seconds(values["build_seconds"]),
            )
        except InputError as error:
            raise InputError(f"{source}: {str(error).removeprefix(f'{source}: ')}") from error
        except KeyError as error:
            raise InputError(f"{source}: damaged sidecar (no {error})") from error
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InputError(f"{source}: damaged sidecar ({error})") from error

    def write(self, path: Path, *, overwrite: bool = False) -> None:
        """Write it as ``path``, whole or not at all."""
        with write_whole(path, overwrite=overwrite) as temporary:
            temporary.write_text(self.to_text(), encoding="utf-8")

    def to_text(self) -> str:
        """The content of the file."""
        return json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n"


def sidecar_path(engine: Path) -> Path:
    """``X.engine.json`` of ``X.engine``."""
    return engine.with_name(engine.name + ".json")


def read_sidecar(engine: Path) -> Sidecar | None:
    """The sidecar of an engine; None where it has none. InputError where it is damaged."""
    path = sidecar_path(engine)
    if not path.exists():
        return None
    check_input(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"over {_LARGEST >> 20} MiB")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: no readable sidecar ({error})") from error
    return Sidecar.from_json(values, str(path))


def _check_words(sidecar: Sidecar) -> None:
    if sidecar.flavour not in FLAVOURS:
        raise InputError(f"flavour {sidecar.flavour!r}: expected one of {', '.join(FLAVOURS)}")
    for precision in (sidecar.precision, *(layer.precision for layer in sidecar.layers)):
        if precision not in PRECISIONS:
            raise InputError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if not _VERSION.fullmatch(sidecar.version):
        raise InputError(f"version {sidecar.version!r}: expected numbers, as in 10.13.0.35")
    for name in ("engine_sha256", "parent_sha256"):
        if not _SHA256.fullmatch(getattr(sidecar, name)):
            raise InputError(f"{name}: expected 64 hexadecimal digits")


def _check_numbers(sidecar: Sidecar) -> None:
    sizes = sidecar.batch
    if len(sizes) != 3 or not 1 <= sizes[0] <= sizes[1] <= sizes[2] <= _MOST:
        raise InputError(
            f"batch sizes {_shown(list(sizes))}: expected three whole numbers, "
            "least, best and greatest"
        )
    if len(sidecar.targets) > _MOST_TARGETS:
        raise InputError(f"{len(sidecar.targets)} targets: expected {_MOST_TARGETS} at most")
    if not sidecar.runs_on:
        raise InputError("an engine needs the GPU it was built on, or its targets")
    for capability in sidecar.runs_on:
        if capability not in _CAPABILITIES:
            raise InputError(
                f"compute capability {_shown(capability)}: expected a number such as 89 or 120"
            )
    for name in ("parameters", "nonzero_parameters"):
        count = getattr(sidecar, name)
        if count is not None and not 0 <= count < 2**63:
            raise InputError(f"{name} {_shown(count)}: expected none or more")
    if not 0 <= sidecar.build_seconds < math.inf:
        raise InputError(f"build_seconds {sidecar.build_seconds}: expected a duration")


def _check_images(sidecar: Sidecar) -> None:
    """The first input takes the images that the card describes."""
    image, entry = sidecar.card.input, sidecar.inputs[0]
    expected = (image.channels, image.height, image.width)
    fits = len(entry.shape) == 4 and all(
        size in (None, wanted) for size, wanted in zip(entry.shape[1:], expected, strict=True)
    )
    if not fits or entry.dtype != "float32":
        raise InputError(
            f"inputs: {_shown(entry.dtype)} {_shown(list(entry.shape))} takes no images of its "
            f"card, float32 [N, {', '.join(map(str, expected))}]"
        )


def _shown(value: Any) -> str:
    """A value for a message, not longer than a line may be."""
    try:
        text = str(value)
    except ValueError:  # a whole number of thousands of digits
        return "with thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


def _typed(value: Any, kind: type[_T], name: str) -> _T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{name}: expected {kind.__name__}, found {type(value).__name__}")
    return value


def _count(value: Any, name: str) -> int | None:
    return None if value is None else _typed(value, int, name)


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"build_seconds: expected a number, found {type(value).__name__}")
    return float(value)


def _whole_numbers(values: Any, name: str) -> tuple[int, ...]:
    return tuple(_typed(value, int, name) for value in _typed(values, list, name))


def _triple(values: Any) -> tuple[int, int, int]:
    sizes = _whole_numbers(values, "batch")
    if len(sizes) != 3:
        raise ValueError(f"batch: expected three numbers, found {len(sizes)}")
    return sizes[0], sizes[1], sizes[2]


def _tensors(values: Any, name: str) -> tuple[TensorSpec, ...]:
    return tuple(_tensor(_typed(value, dict, name), name) for value in _typed(values, list, name))


def _tensor(value: dict[str, Any], name: str) -> TensorSpec:
    shape = _typed(value["shape"], list, name)
    return TensorSpec(
        _typed(value["name"], str, name),
        _typed(value["dtype"], str, name),
        tuple(None if size is None else _typed(size, int, name) for size in shape),
    )


def _layer(value: Any) -> LayerPrecision:
    entry = _typed(value, dict, "layers")
    return LayerPrecision(
        **{key: _typed(entry[key], str, "layers") for key in ("name", "op", "precision", "why")}
    )
