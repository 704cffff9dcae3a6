"""int8 for ONNX Runtime: static, post-training, per-channel, in QDQ form."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, NncError
from ..model_card import ModelCard, Stage
from ..progress import SILENT, Progress
from ..whole_files import check_input, check_output, sha256_of
from .calibration import METHODS, minmax_ranges
from .executed import Executed, executed_graph
from .int8_input import input_shape, prepare
from .packages import need
from .profiles import TARGETS, Profile, choose_profile
from .qdq import complete_ranges, insert_qdq, tensors_to_observe

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from ..progress import Task

__all__ = ["Int8Result", "Int8Settings", "quantise"]

Batches = Callable[[], "Iterator[np.ndarray[Any, Any]]"]


@dataclass(frozen=True)
class Int8Settings:
    """How to make the int8 file."""

    target: str = "auto"
    """The CPU it is for: avx2, vnni, arm64; auto is this machine's."""
    samples: int = 512
    """Calibration images, at most."""
    method: str = "minmax"
    """How the range of a tensor follows from what was observed of it."""
    threads: int = 0
    """Threads for the calibration run; 0 leaves it to ONNX Runtime."""

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise InputError(
                f"unknown target '{self.target}': expected one of {', '.join(TARGETS)}"
            )
        if self.method not in METHODS:
            raise InputError(
                f"unknown calibration method '{self.method}': expected one of {', '.join(METHODS)}"
            )
        if self.samples < 1:
            raise InputError(f"{self.samples} calibration samples; expected at least 1")
        if self.threads < 0:
            raise InputError(f"{self.threads} threads; expected 0 (automatic) or more")


@dataclass(frozen=True)
class Int8Result:
    """What quantising did."""

    path: str
    profile: str
    method: str
    samples: int
    """Calibration images really used."""
    size_bytes: int
    source_size_bytes: int
    sha256: str
    quantised_nodes: int
    float_nodes: Mapping[str, int]
    """Node type -> how many of it ONNX Runtime still executes in float on this machine."""
    executed_nodes: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return asdict(self)


def quantise(
    model: Path,
    output: Path,
    images: Batches,
    settings: Int8Settings | None = None,
    *,
    card: ModelCard | None = None,
    data: str = "",
    seed: int = 0,
    progress: Progress = SILENT,
    overwrite: bool = False,
) -> Int8Result:
    """Quantise the float32 ONNX file ``model`` to int8 and write it to ``output``.

    ``images()`` yields calibration batches, float32 [N, C, H, W], normalised as the network was
    trained; ``data`` names the data set they are from and ``seed`` how they were drawn. ``card``
    describes the model in place of the card it carries, if any; it goes into the file with this
    stage added. The float model is not changed.

    Raises InputError for a model that cannot be quantised or images that do not fit it,
    MissingError where ONNX Runtime is not installed, NncError where the network yields NaN.
    """
    from ..runtimes.onnx_files import load_model, read_properties, save_model, write_properties

    settings = settings or Int8Settings()
    need("quantising", "onnxruntime")
    check_input(model)
    check_output(output, overwrite=overwrite)
    profile = _profile(settings)
    loaded = load_model(model)
    card = card or ModelCard.from_properties(read_properties(loaded), str(model))
    source_size_bytes = model.stat().st_size
    parent_sha256 = sha256_of(model)
    prepared = prepare(loaded, str(model))
    counter = _Counter()
    with progress.task("calibrating", settings.samples) as task:
        batches = _fitting(images(), prepared, settings.samples, str(model), counter, task)
        observed = minmax_ranges(
            prepared, tensors_to_observe(prepared), batches, threads=settings.threads
        )
    quantised = insert_qdq(prepared, complete_ranges(prepared, observed), profile)
    executed = _verified(quantised, model)
    quantised_nodes = _quantised_layers(executed)
    if card is not None:
        stage = Stage(
            "quantise",
            {
                "backend": "ort",
                "target": profile.name,
                "method": settings.method,
                "samples": counter.images,
                **({"data": data, "seed": seed} if data else {}),
            },
            {"quantised_nodes": quantised_nodes, "float_nodes": dict(executed.float_nodes)},
            f"nnc quantise {model.name} --backend ort --target {profile.name} "
            f"--samples {settings.samples} --seed {seed}",
        )
        write_properties(quantised, card.then(stage, parent_sha256=parent_sha256).to_properties())
    _sign(quantised)
    save_model(quantised, output, overwrite=overwrite)
    return Int8Result(
        path=str(output),
        profile=profile.name,
        method=settings.method,
        samples=counter.images,
        size_bytes=output.stat().st_size,
        source_size_bytes=source_size_bytes,
        sha256=sha256_of(output),
        quantised_nodes=quantised_nodes,
        float_nodes=dict(executed.float_nodes),
        executed_nodes=dict(executed.operators),
    )


def _profile(settings: Int8Settings) -> Profile:
    from ..runtimes.environment import instruction_sets

    return choose_profile(settings.target, instruction_sets(), platform.machine())


@dataclass
class _Counter:
    images: int = 0


def _fitting(
    batches: Iterable[np.ndarray[Any, Any]],
    model: ModelProto,
    samples: int,
    source: str,
    counter: _Counter,
    task: Task,
) -> Iterator[np.ndarray[Any, Any]]:
    """The first ``samples`` images, checked, in batches of the size that the model fixes, if any.

    Images that do not fill a last batch of a fixed size are left out.
    """
    import numpy as np

    fixed, *rest = input_shape(model, source)
    for given in batches:
        batch = given[: samples - counter.images]
        expected = [size if size is not None else "any" for size in rest]
        if batch.dtype != np.float32 or batch.ndim != 4 or not _fits(batch.shape[1:], rest):
            raise InputError(
                f"calibration images {batch.dtype} {list(batch.shape)}; "
                f"{source} takes float32 [N, {', '.join(map(str, expected))}]"
            )
        size = fixed or max(len(batch), 1)
        for start in range(0, len(batch) - size + 1, size):
            part = np.ascontiguousarray(batch[start : start + size])
            yield part
            counter.images += len(part)
            task.advance(len(part))
        if counter.images >= samples:
            return


def _fits(shape: tuple[int, ...], expected: list[int | None]) -> bool:
    return all(want in (None, have) for have, want in zip(shape, expected, strict=True))


def _verified(quantised: ModelProto, source: Path) -> Executed:
    """Load the result as a user would; what ONNX Runtime refuses must not reach the disk."""
    import onnx

    try:
        onnx.checker.check_model(quantised)
        return executed_graph(quantised)
    except OSError as error:
        raise NncError(
            f"no room for a temporary copy of the int8 model ({error.strerror}); "
            "free some disk, or set TMPDIR"
        ) from error
    except Exception as error:
        raise NncError(f"{source}: the int8 model cannot be run ({error})") from error


def _quantised_layers(executed: Executed) -> int:
    layers = sum(
        n for name, n in executed.operators.items() if name.startswith(("QLinear", "QGemm"))
    )
    return layers + executed.operators.get("MatMulIntegerToFloat", 0)


def _sign(model: ModelProto) -> None:
    from .. import __version__

    model.producer_name = "nnc"
    model.producer_version = __version__
