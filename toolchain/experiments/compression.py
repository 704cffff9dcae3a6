"""Table I's row for a network: the pruning methods side by side, at equal accuracy, measured.

The paper prunes filters in convolutions and single weights in fully-connected layers, and names
the comparison of filter with sparse pruning as future work (its conclusion); this is it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...models.checkpoint import read_card
from ...progress import SILENT, Progress
from ...whole_files import check_input, check_output, sha256_of, write_text
from ..crew import Crew, available_cores
from ..data import DataSet, open_data
from ..feeds import check_images, test_part
from ..report.bench_notes import check_all_ran
from ..report.compression_figure import compression_figure
from ..report.compression_page import compression_page
from ..report.figure import check_drawing, write_figure
from ..report.plain_text import byte_size
from .climb import Climb, Step
from .compression_reference import find_reference
from .compression_settings import CompressionSettings

if TYPE_CHECKING:
    from ...runtimes.bench import BenchSettings

__all__ = ["CompressionResult", "compression"]

SCHEMA_VERSION = 1
RECORD, PAGE, FIGURE = "compression.json", "compression.md", "compression.png"


@dataclass(frozen=True)
class CompressionResult:
    """Where the experiment's files lie, and what ``compression.json`` holds."""

    record: Path
    page: Path
    figure: Path
    values: dict[str, Any]

    def table(self) -> list[str]:
        """The rows in a few words each."""
        first = self.values["rows"][0]
        return [
            f"{row['name']}: {row['parameters']:,} parameters ({row['nonzero_parameters']:,} not "
            f"zero), {byte_size(row['size_bytes'])}, {row['macs']:,} MACs, "
            f"{row['latency_ms']['median']:.3g} ms, test accuracy {row['accuracy']['top1']:.2%} "
            f"({100 * (row['accuracy']['top1'] - first['accuracy']['top1']):+.2f} points)"
            for row in self.values["rows"]
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**self.values, "page": str(self.page), "figure": str(self.figure)}


def compression(
    settings: CompressionSettings,
    output: Path,
    *,
    data: str,
    data_dir: Path | None = None,
    checkpoint: Path | None = None,
    bench: BenchSettings | None = None,
    jobs: int | None = None,
    command: str = "",
    progress: Progress = SILENT,
    overwrite: bool = False,
) -> CompressionResult:
    """Push every method to the smallest network of nearly the reference's accuracy; measure them.

    ``checkpoint`` None: the shipped reference for the architecture and the data, else one that is
    trained first. Which network is the smallest is decided on validation images; the test part
    serves the final measuring alone. The methods climb in ``jobs`` processes (None: one a core, on
    a GPU one). Everything lies in ``output`` and each finished step is kept: the same call goes on
    from there.

    Raises InputError where ``output`` holds another experiment (unless ``overwrite``) or the data
    does not fit the network, MissingError where a package is lacking.
    """
    from ...runtimes.bench import BenchSettings

    check_drawing()
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs = {jobs}: expected at least 1")
    for name in (RECORD, PAGE, FIGURE):
        check_output(output / name, overwrite=True)
    data_set = open_data(data, data_dir)
    reference = find_reference(
        settings, checkpoint, data_set, output, progress, overwrite=overwrite
    )
    run = _Run(settings, reference, data_set, output)
    run.resume(overwrite=overwrite)
    if run.unmeasured:
        opening = {
            "data": data,
            "data_dir": None if data_dir is None else str(data_dir),
            "settings": settings.to_json(),
        }
        run.climb(opening, jobs, progress)
        run.measure(bench or BenchSettings(), progress)
        run.values["command"], run.values["date"] = command, date.today().isoformat()
        run.save()
    write_figure(output / FIGURE, compression_figure(run.values), overwrite=True)
    write_text(output / PAGE, compression_page(run.values))
    return CompressionResult(output / RECORD, output / PAGE, output / FIGURE, run.values)


class _Run:
    """The experiment as it stands: ``values`` is what ``compression.json`` holds."""

    def __init__(
        self, settings: CompressionSettings, reference: Path, data: DataSet, output: Path
    ) -> None:
        self._settings = settings
        self._reference = reference
        self._data = data
        self._output = output
        self._climbs = {method: self._climb_of(()) for method in settings.methods}
        identities = (*sorted(data.training.identities()), *sorted(data.test.identities()))
        stated = settings.to_json()
        del stated["device"]
        self.values: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "architecture": settings.arch,
            "data": data.reference,
            "data_sha256": hashlib.sha256(b"".join(identities)).hexdigest(),
            "checkpoint": reference.name,
            "checkpoint_sha256": sha256_of(reference),
            "settings": stated,
            "reference": None,
            "methods": {},
            "rows": [],
            "bench": None,
        }
        self._same = [key for key, value in self.values.items() if value]

    def _climb_of(self, steps: Any) -> Climb:
        return Climb.from_json(self._settings.sensitivities, self._settings.refine, steps)

    def resume(self, *, overwrite: bool) -> None:
        """Take over what the folder holds; InputError where that is of another experiment."""
        path = self._output / RECORD
        if not path.exists():
            return
        try:
            check_input(path)
            saved = json.loads(path.read_text(encoding="utf-8"))
            same = all(saved[key] == self.values[key] for key in self._same)
            if same:
                climbs = {
                    method: self._climb_of(saved["methods"].get(method, ()))
                    for method in self._settings.methods
                }
                self.values = {**saved, **{key: saved[key] for key in self.values}}
                self._climbs = climbs
        except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if overwrite:
                return
            raise InputError(
                f"{path} is no record of this experiment ({type(error).__name__}: {error}); "
                "choose another -o or pass --force to replace it"
            ) from error
        if not same and not overwrite:
            raise InputError(
                f"{path} is of another experiment; choose another -o or pass --force to replace it"
            )

    @property
    def unmeasured(self) -> bool:
        """Whether the files have not been measured, or were by a bench of an older schema."""
        from ...runtimes.bench.result import SCHEMA_VERSION as CURRENT

        return (self.values["bench"] or {}).get("schema_version") != CURRENT

    def save(self) -> None:
        """Replace the record."""
        self.values["methods"] = {
            method: [step.to_json() for step in climb.steps]
            for method, climb in self._climbs.items()
        }
        text = json.dumps(self.values, indent=2, allow_nan=False)
        write_text(self._output / RECORD, text + "\n")

    def climb(self, opening: Mapping[str, Any], jobs: int | None, progress: Progress) -> None:
        """Let every method climb as far as it gets, one beside the other."""
        from ..training.devices import pick_device

        cores = available_cores()
        if jobs is None:
            on_cpu = pick_device(self._settings.device).type == "cpu"
            jobs = min(cores, len(self._climbs)) if on_cpu else 1
        if self.values["reference"] and not any(c.most_left for c in self._climbs.values()):
            return
        threads = max(1, cores // jobs)
        opening = {**opening, "threads": threads}
        module = "toolchain.experiments.compression_worker"
        with Crew(module, self._reference, opening, jobs=jobs, threads=threads) as crew:
            if self.values["reference"] is None:
                crew.submit("reference", "measure", checkpoint=str(self._reference))
                self.values["reference"] = crew.result()[1]
                self.save()
            left = {method: climb.most_left for method, climb in self._climbs.items()}
            with progress.task("pruning and retraining", sum(left.values())) as task:
                waiting = sum(self._submit(crew, method) for method in self._climbs)
                while waiting:
                    method, reply = crew.result()
                    waiting -= 1
                    step = self._judge(method, reply)
                    waiting += self._submit(crew, method)
                    now = self._climbs[method].most_left
                    task.advance(
                        left[method] - now,
                        note=f"{method} {step.sensitivity:g}: {step.validation_accuracy:.2%}",
                    )
                    left[method] = now

    def _submit(self, crew: Crew, method: str) -> int:
        """Start a method's next step; 0 where it has none."""
        climb = self._climbs[method]
        sensitivity = climb.next()
        if sensitivity is None:
            return 0
        start = self._reference if climb.best is None else self._file(method, climb.best)
        target = self._output / f"{method}-{sensitivity:g}.safetensors"
        crew.submit(
            method, "step", method=method, sensitivity=sensitivity, start=str(start),
            output=str(target),
        )  # fmt: skip
        return 1

    def _judge(self, method: str, reply: Mapping[str, Any]) -> Step:
        """Accept or reject a step, keep the record, and remove the network that is now in vain."""
        climb = self._climbs[method]
        before = climb.best
        floor = self.values["reference"]["validation_accuracy"] - self._settings.max_drop / 100
        # The tolerance is for rounding: a drop of just max_drop is within it.
        accepted = reply["validation_accuracy"] >= floor - 1e-9
        step = Step(accepted=accepted, **reply)
        climb.steps.append(step)
        self.save()
        vain = before if accepted else step
        if vain is not None:
            self._file(method, vain).unlink(missing_ok=True)
        return step

    def _file(self, method: str, step: Step) -> Path:
        return self._output / f"{method}-{step.sensitivity:g}.safetensors"

    def measure(self, bench: BenchSettings, progress: Progress) -> None:
        """Export the reference and the smallest network of each method, and bench them together."""
        from ...exporters.onnx_export import export
        from ...runtimes.bench import bench as run_bench

        networks = {"reference": self._reference}
        for method, climb in self._climbs.items():
            if climb.best is not None:
                networks[method] = self._file(method, climb.best)
        spec = read_card(self._reference).input
        images = check_images(self._data, spec)
        exported = {}
        for name, network in networks.items():
            exported[name] = self._output / f"{name}.onnx"
            export(network, exported[name], images=images, overwrite=True, progress=progress)
        test = test_part(self._data)
        result = run_bench(list(exported.values()), bench, test, progress=progress).to_json()
        check_all_ran(result)
        rows = zip(exported, result["files"], strict=True)
        self.values["bench"] = result
        self.values["rows"] = [self._row(name, measured) for name, measured in rows]

    def _row(self, name: str, measured: Mapping[str, Any]) -> dict[str, Any]:
        climb = self._climbs.get(name)
        best = None if climb is None else climb.best
        chosen = self.values["reference"] if best is None else best.to_json()
        size, latency = measured["size"], measured["latency"][0]
        return {
            "name": name,
            "sensitivity": 0.0 if best is None else best.sensitivity,
            "validation_accuracy": chosen["validation_accuracy"],
            "accuracy": measured["accuracy"],
            "parameters": size["parameters"],
            "nonzero_parameters": size["nonzero_parameters"],
            "size_bytes": size["bytes"],
            "macs": size["macs"],
            "latency_ms": {key: latency[key] for key in ("median", "p5", "p95", "runs")},
            "speedup": {key: latency["speedup"][key] for key in ("ratio", "low", "high")},
        }
