"""Makes the int8 model that a candidate describes, keeping what several candidates share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...progress import SILENT, Progress, Task
from ..calibration import observe, passes
from ..int8.borders import fit_borders
from ..int8.stored_weights import float_weights, store_weights
from ..qdq.insert import complete_ranges, insert_qdq, tensors_to_observe
from .candidate import FLOAT_WEIGHTS

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from ..calibration import Observations
    from ..profiles import Profile
    from ..qdq.weights import QuantisedWeight
    from .candidate import Candidate

__all__ = ["Builder"]

_MOST_TOOL_IMAGES = 256
_LEAST_TOOL_IMAGES = 32
_TOOL_POSITIONS = 1 << 20
"""A large image shows a layer many positions, so fewer of them tell as much."""

Batches = Callable[[], "Iterator[np.ndarray[Any, Any]]"]
Ranges = Mapping[str, tuple[float, float]]
Fit = Callable[
    ["ModelProto", Sequence[str], "Mapping[str, QuantisedWeight]"],
    "tuple[ModelProto, dict[str, QuantisedWeight]]",
]


class Builder:
    """Quantises one prepared model in many ways. Nothing of it is changed."""

    def __init__(
        self,
        prepared: ModelProto,
        images: Batches,
        profile: Profile,
        methods: Sequence[str],
        *,
        images_a_pass: int,
        threads: int = 0,
        seed: int = 0,
        progress: Progress = SILENT,
        insert: Callable[..., ModelProto] = insert_qdq,
        fit: Fit | None = fit_borders,
    ) -> None:
        """``methods`` are the calibrations that candidates may name. ``images()`` goes through the
        calibration images, float32 [N, C, H, W], about ``images_a_pass`` of them each time.
        ``insert`` writes the int8 model, as `nnc.exporters.qdq.insert.insert_qdq` does; ``fit``
        changes what goes into it where some of it stays float, as
        `nnc.exporters.int8.borders.fit_borders` does.
        """
        self.prepared = prepared
        self.images, self.profile, self.methods = images, profile, tuple(methods)
        self._count, self._threads, self._seed = images_a_pass, threads, seed
        self._progress, self._insert, self._fit = progress, insert, fit
        self._check: Callable[[], None] = lambda: None
        self._equalised: ModelProto | None = None
        self._observed: dict[bool, Observations] = {}
        self._rounded: dict[tuple[object, ...], dict[str, QuantisedWeight]] = {}
        self._corrected: dict[tuple[object, ...], ModelProto] = {}

    @contextmanager
    def watched(self, check: Callable[[], None]) -> Iterator[None]:
        """Call ``check`` wherever a tool tells how far it is; what it raises ends the tool."""
        before, self._check = self._check, check
        try:
            yield
        finally:
            self._check = before

    def build(self, candidate: Candidate) -> ModelProto:
        """The int8 model; InputError or NncError for images that do not fit or yield NaN."""
        model = _copy(self.prepared) if candidate.weights_only else self._quantised(candidate)
        if candidate.float_weights == "int8":
            store_weights(model)
        return model

    def keeps_float_weights(self, candidate: Candidate) -> bool:
        """Whether layers of the model are left in float whose weights could be stored as int8."""
        return bool(float_weights(self.build(candidate)))

    def _quantised(self, candidate: Candidate) -> ModelProto:
        from ..post_training.bias_correction import correct_biases

        model = self._base(candidate)
        ranges = self.ranges(candidate)
        weights = self._weights(candidate, model, ranges)
        if candidate.float_nodes and self._fit is not None:
            model, weights = self._fit(model, candidate.float_nodes, weights)

        def quantised(base: ModelProto) -> ModelProto:
            return self._insert(
                base, ranges, self.profile, float_nodes=candidate.float_nodes, weights=weights
            )

        if "bias-correction" in candidate.tools:
            key = (replace(candidate, float_weights=FLOAT_WEIGHTS[0]),)
            if key not in self._corrected:
                self._corrected.clear()  # one at a time: each is a model
                with self._progress.task("correcting biases", len(model.graph.node)) as task:
                    self._corrected[key] = correct_biases(
                        model,
                        quantised,
                        self._few,
                        threads=self._threads,
                        task=_Watched(task, self._check),
                    )
            model = self._corrected[key]
        return quantised(model)

    def ranges(self, candidate: Candidate) -> dict[str, tuple[float, float]]:
        """Tensor -> the range that it is quantised over."""
        if candidate.weights_only:
            return {}
        equalised = "equalise" in candidate.tools
        model = self._base(candidate)
        if equalised not in self._observed:
            count = self._count * passes(self.methods)
            with self._progress.task("calibrating", count) as task:
                self._observed[equalised] = observe(
                    model,
                    tensors_to_observe(model),
                    self.images,
                    self.methods,
                    self.profile.grid,
                    threads=self._threads,
                    task=task,
                )
        observed = self._observed[equalised].ranges(
            candidate.calibration, percentile=candidate.percentile
        )
        return complete_ranges(model, observed)

    def _base(self, candidate: Candidate) -> ModelProto:
        if "equalise" not in candidate.tools:
            return self.prepared
        if self._equalised is None:
            from ..post_training.equalise import equalise

            model = _copy(self.prepared)
            equalise(model, self._few, threads=self._threads)
            self._equalised = model
        return self._equalised

    def _few(self) -> Iterator[np.ndarray[Any, Any]]:
        """As many calibration images as the accuracy tools gain from."""
        used = 0
        for batch in self.images():
            yield batch  # whole, because the model may take no other size
            used += len(batch)
            positions = used * batch.shape[2] * batch.shape[3]
            if used >= _MOST_TOOL_IMAGES or (
                used >= _LEAST_TOOL_IMAGES and positions >= _TOOL_POSITIONS
            ):
                return

    def _weights(
        self, candidate: Candidate, model: ModelProto, ranges: Ranges
    ) -> Mapping[str, QuantisedWeight]:
        if "adaround" not in candidate.tools:
            return {}
        from ..post_training.adaround import round_weights

        key = ("equalise" in candidate.tools, candidate.calibration, candidate.percentile)
        if key not in self._rounded:
            with self._progress.task("rounding weights", len(model.graph.node)) as task:
                # Of all layers, so that any choice of float ones can be made from it.
                self._rounded[key] = round_weights(
                    model,
                    ranges,
                    self.profile,
                    self._few,
                    seed=self._seed,
                    threads=self._threads,
                    task=_Watched(task, self._check),
                )
        names = _weights_of(model, candidate.float_nodes)
        return {name: w for name, w in self._rounded[key].items() if name not in names}


def _copy(model: ModelProto) -> ModelProto:
    from onnx import ModelProto

    copied = ModelProto()
    copied.CopyFrom(model)
    return copied


def _weights_of(model: ModelProto, nodes: Sequence[str]) -> set[str]:
    chosen = set(nodes)
    return {name for node in model.graph.node if node.name in chosen for name in node.input}


class _Watched:
    """A task that lets somebody look at the clock at each step."""

    def __init__(self, task: Task, check: Callable[[], None]) -> None:
        self._task, self._check = task, check

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._task.advance(steps, note)
        self._check()
