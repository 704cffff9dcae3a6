"""nnc: from a trained vision network to a small, fast, honestly measured file.

The stages are functions: `train`, `prune`, `export`, `quantise`, `bench`, and `run` for a whole
recipe; `inspect` reads what an artefact says of itself, `read_bench` what a bench saved for `judge`
and `compare`. Each takes settings and paths and returns a result that says what it did. Nothing
heavy is imported before a name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import BudgetError, InputError, MissingError, NncError
    from .exporters.onnx_export import export
    from .exporters.ort_int8 import Int8Settings, quantise
    from .model_card import InputSpec, ModelCard
    from .runtimes.artifact import read_artifact as inspect
    from .runtimes.bench import BenchSettings, bench
    from .runtimes.verdicts import Budgets, compare, judge, read_bench
    from .toolchain.data import DataSet, open_data
    from .toolchain.feeds import calibration_images, check_images, test_part
    from .toolchain.pipeline import run
    from .toolchain.pruning import PruneSettings
    from .toolchain.pruning.prune import prune
    from .toolchain.training import TrainSettings
    from .toolchain.training.train import train

__version__ = "0.1.0"

__all__ = [
    "BenchSettings",
    "BudgetError",
    "Budgets",
    "DataSet",
    "InputError",
    "InputSpec",
    "Int8Settings",
    "MissingError",
    "ModelCard",
    "NncError",
    "PruneSettings",
    "TrainSettings",
    "__version__",
    "bench",
    "calibration_images",
    "check_images",
    "compare",
    "export",
    "inspect",
    "judge",
    "open_data",
    "prune",
    "quantise",
    "read_bench",
    "run",
    "test_part",
    "train",
]

_HOMES = {
    "BenchSettings": ".runtimes.bench",
    "BudgetError": ".errors",
    "Budgets": ".runtimes.verdicts",
    "DataSet": ".toolchain.data",
    "InputError": ".errors",
    "InputSpec": ".model_card",
    "Int8Settings": ".exporters.ort_int8",
    "MissingError": ".errors",
    "ModelCard": ".model_card",
    "NncError": ".errors",
    "PruneSettings": ".toolchain.pruning",
    "TrainSettings": ".toolchain.training",
    "bench": ".runtimes.bench",
    "calibration_images": ".toolchain.feeds",
    "check_images": ".toolchain.feeds",
    "compare": ".runtimes.verdicts",
    "export": ".exporters.onnx_export",
    "inspect": ".runtimes.artifact:read_artifact",
    "judge": ".runtimes.verdicts",
    "open_data": ".toolchain.data",
    "prune": ".toolchain.pruning.prune",
    "quantise": ".exporters.ort_int8",
    "read_bench": ".runtimes.verdicts",
    "run": ".toolchain.pipeline",
    "test_part": ".toolchain.feeds",
    "train": ".toolchain.training.train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnc' has no attribute '{name}'")
    module, _, spelled = _HOMES[name].partition(":")
    value = getattr(import_module(module, __name__), spelled or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
