"""How each stage of a recipe is run: its settings built, its function called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .stage_job import StageJob

if TYPE_CHECKING:
    from ...exporters.int8.settings import Int8Settings
    from ...runtimes.bench import BenchSettings
    from ..pruning import PruneSettings
    from ..training import TrainSettings

__all__ = [
    "bench_settings",
    "prune_settings",
    "quantise_settings",
    "resolved_bench",
    "resolved_prune",
    "resolved_train",
    "run_bench",
    "run_export",
    "run_prune",
    "run_quantise",
    "run_train",
    "train_settings",
]

Settings = Mapping[str, Any]


def train_settings(settings: Settings, **place: Any) -> TrainSettings:
    """The settings of a train stage, checked."""
    from ..training import TrainSettings

    return TrainSettings.from_recipe(**settings, **place)


def resolved_train(settings: Settings, _inputs: tuple[Path, ...]) -> Settings:
    """All numbers of a train stage, those of its training recipe too."""
    return train_settings(settings).to_json()


def run_train(job: StageJob) -> Settings:
    """Train a network from scratch; an interrupted training goes on after its last epoch."""
    from ..training.train import train

    settings = train_settings(job.settings, seed=job.seed, device=job.device)
    return train(settings, job.data, job.output, progress=job.progress, overwrite=True).to_json()


def prune_settings(settings: Settings, arch: str = "mobilenet", **place: Any) -> PruneSettings:
    """The settings of a prune stage, checked; what they allow is the same for every network."""
    from ..pruning import PruneSettings

    return PruneSettings.for_network(arch, **settings, **place)


def resolved_prune(settings: Settings, inputs: tuple[Path, ...]) -> Settings:
    """All numbers of a prune stage, those of its training recipe too."""
    from ...models.checkpoint import read_card

    return prune_settings(settings, read_card(inputs[0]).architecture).to_json()


def run_prune(job: StageJob) -> Settings:
    """Prune and retrain a checkpoint."""
    from ...models.checkpoint import read_card
    from ..pruning.prune import prune

    (checkpoint,) = job.inputs
    settings = prune_settings(
        job.settings, read_card(checkpoint).architecture, seed=job.seed, device=job.device
    )
    return prune(
        settings, checkpoint, job.data, job.output, progress=job.progress, overwrite=True
    ).to_json()


def run_export(job: StageJob) -> Settings:
    """Export a checkpoint, checked on real images."""
    from ...exporters.onnx_export import export
    from ...models.checkpoint import read_card
    from ..feeds import check_fits, check_images

    (checkpoint,) = job.inputs
    spec = read_card(checkpoint).input
    check_fits(spec, job.data, checkpoint)
    return export(
        checkpoint,
        job.output,
        images=check_images(job.data, spec, job.seed),
        compact=not job.settings.get("keep_masked", False),
        progress=job.progress,
        overwrite=True,
    ).to_json()


def quantise_settings(settings: Settings) -> Int8Settings:
    """The settings of a quantise stage, checked."""
    from ...exporters.int8.settings import Int8Settings

    return Int8Settings(**settings)


def run_quantise(job: StageJob) -> Settings:
    """Make an int8 file, calibrated on training images."""
    from ...exporters.ort_int8 import quantise
    from ...runtimes.artifact import read_artifact
    from ..feeds import calibration_images, check_fits, held_back

    (model,) = job.inputs
    settings = quantise_settings(job.settings)
    artifact = read_artifact(model)
    spec, batch = artifact.card.input, artifact.input_shape[0]
    check_fits(spec, job.data, model)
    images = calibration_images(job.data, spec, settings.samples, job.seed, batch=batch)
    return quantise(
        model,
        job.output,
        images,
        settings,
        held_back=held_back(job.data, spec, settings.held_back_images, job.seed),
        data=job.data.reference,
        record=images.record.to_json(),
        seed=job.seed,
        progress=job.progress,
        overwrite=True,
    ).to_json()


def bench_settings(settings: Settings) -> BenchSettings:
    """The settings of a bench stage, checked."""
    from ...runtimes.bench import BenchSettings

    told = dict(settings)
    if "batch_size" in told:
        told["batch_sizes"] = told.pop("batch_size")
    return BenchSettings(**told)


def resolved_bench(settings: Settings, _inputs: tuple[Path, ...]) -> Settings:
    """As stated, with the version of the object: results of an older one are measured anew."""
    from ...runtimes.bench.result import SCHEMA_VERSION

    return {**settings, "schema_version": SCHEMA_VERSION}


def run_bench(job: StageJob) -> Settings:
    """Measure files on the CPU, accuracy on the test part; the whole object goes to the output.

    Raises NncError where a file's runtime died, once the object is written.
    """
    import json

    from ...runtimes.bench import bench
    from ...whole_files import write_whole
    from ..feeds import data_defaults, test_part
    from ..report.bench_notes import check_all_ran

    result = bench(
        job.inputs,
        bench_settings({**job.settings, "seed": job.seed}),
        test_part(job.data, job.settings.get("images"), job.seed),
        defaults=data_defaults(job.data),
        progress=job.progress,
        command=job.command,
    ).to_json()
    with write_whole(job.output, overwrite=True) as temporary:
        temporary.write_text(json.dumps(result, indent=2, allow_nan=False), encoding="utf-8")
    check_all_ran(result)
    return {"files": [path.name for path in job.inputs]}
