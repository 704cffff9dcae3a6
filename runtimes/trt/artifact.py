"""What an engine's sidecar says of it, as the rest of nnc takes it; nothing is deserialised."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from ...errors import InputError
from ...model_card import InputSpec, ModelCard
from ...whole_files import sha256_of
from ..artifact_record import Artifact
from ..card_overrides import CardOverrides, overridden
from ..onnx_model.graph import LayerFacts
from .preflight import HEADER_BYTES, check_digest, check_header, refuse_without_sidecar
from .sidecar import read_sidecar

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_engine"]


def read_engine(
    path: Path, runtime: str, overrides: CardOverrides, defaults: CardOverrides, *, trust: bool
) -> Artifact:
    """The artefact of an ``.engine`` file, by its sidecar.

    Where it has none and ``trust`` is given, ``overrides`` and then ``defaults`` say what images it
    takes. Raises InputError where they do not, MissingError for an engine that has no sidecar or is
    not the one that its sidecar describes.
    """
    sidecar = read_sidecar(path)
    digest = sha256_of(path)
    if sidecar is None and not trust:
        raise refuse_without_sidecar(path)
    if sidecar is not None:
        check_digest(path, sidecar, digest)
    with path.open("rb") as stream:
        header = check_header(stream.read(HEADER_BYTES), path, sidecar, path.stat().st_size)
    if header.flavour != "tensorrt":
        runtime = f"{runtime}-{header.flavour}"
    if sidecar is None:
        card = _trusted_card(path, overrides, defaults)
        return Artifact(
            path=path,
            kind="engine",
            runtime=runtime,
            card=card,
            own_metadata=False,
            input_shape=(None, card.input.channels, card.input.height, card.input.width),
            size_bytes=path.stat().st_size,
            sha256=digest,
            parameters=None,
            nonzero_parameters=None,
            macs=None,
            layers=(),
        )
    own = replace(sidecar.card, parent_sha256=sidecar.parent_sha256)
    card = overridden(own, overrides, path)
    return Artifact(
        path=path,
        kind="engine",
        runtime=runtime,
        card=card,
        own_metadata=sidecar.own_metadata,
        input_shape=sidecar.inputs[0].shape if sidecar.inputs else (),
        size_bytes=path.stat().st_size,
        sha256=digest,
        parameters=sidecar.parameters,
        nonzero_parameters=sidecar.nonzero_parameters,
        macs=card.macs,
        layers=tuple(
            LayerFacts(
                layer.name, layer.op, None, 0, None, layer.precision, layer.precision == "int8"
            )
            for layer in sidecar.layers
        ),
    )


def _trusted_card(path: Path, overrides: CardOverrides, defaults: CardOverrides) -> ModelCard:
    given = replace(
        defaults,
        **{
            entry.name: value
            for entry in fields(CardOverrides)
            if (value := getattr(overrides, entry.name)) is not None
        },
    )
    missing = [
        option
        for option, value in (
            ("--image-size", given.image_size),
            ("--mean", given.mean),
            ("--std", given.std),
            ("--labels", given.labels),
        )
        if value is None
    ]
    if missing or not given.image_size or not given.mean or not given.std or not given.labels:
        raise InputError(
            f"{path} has no sidecar that says what images it takes; say {', '.join(missing)}"
        )
    try:
        image = InputSpec(
            len(given.mean), given.image_size, given.image_size, given.mean, given.std
        )
        return ModelCard(image, given.labels)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
