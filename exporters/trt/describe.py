"""What an engine's sidecar says, from all that it was made of."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ...runtimes.trt.sidecar import Sidecar

if TYPE_CHECKING:
    from ...model_card import ModelCard
    from ...runtimes.artifact import Artifact
    from .engine import Built
    from .place import Place
    from .result import Quantised
    from .settings import TrtSettings

__all__ = ["describe"]


def describe(
    artifact: Artifact,
    card: ModelCard,
    settings: TrtSettings,
    place: Place,
    built: Built,
    made: Quantised | None,
) -> Sidecar:
    """The sidecar of ``built``, made of the ONNX file ``artifact``; ``card`` is the engine's own.

    ``made`` is the int8 that was found here; without it, the calibration is that of the file.
    """
    library, device = place.library, place.device
    calibration: dict[str, Any] = {}
    if made is not None:
        calibration = dict(card.history[-1].settings)
    elif settings.precision == "int8":
        stages = [stage for stage in card.history if stage.settings.get("backend") == "trt"]
        calibration = dict(stages[-1].settings) if stages else {}
    return Sidecar(
        flavour=library.flavour,
        version=library.version,
        cuda=library.cuda,
        precision=settings.precision,
        batch=built.batch,
        inputs=built.inputs,
        outputs=built.outputs,
        card=card,
        engine_sha256=hashlib.sha256(built.plan).hexdigest(),
        parent_sha256=artifact.sha256,
        parameters=artifact.parameters,
        nonzero_parameters=artifact.nonzero_parameters,
        own_metadata=artifact.own_metadata,
        gpu="" if device is None else device.name,
        capability=None if device is None else device.capability,
        targets=place.targets,
        layers=built.layers,
        layers_requested=not library.strongly_typed,
        tf32=built.tf32,
        calibration=calibration,
        build_seconds=round(built.seconds, 3),
    )
