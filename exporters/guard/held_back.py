"""What int8 does to a network's answers on images that it was not calibrated on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from ...errors import InputError, NncError
from ...runtimes.preprocess import normalise

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from ...model_card import InputSpec
    from ...runtimes.accuracy import TestPart

__all__ = ["Drop", "Judge", "paired_drop"]

CHUNK = 500
"""Images between two looks at whether the verdict is clear."""

RANKING_IMAGES = 500

_Z99 = 2.5758293035489004
"""The normal distribution's 99.5% quantile: several looks are taken, so each must be surer."""

_CACHE_BYTES = 256 << 20


@dataclass(frozen=True)
class Drop:
    """Points of accuracy lost between float and int8 on the same images, with a 99% interval.

    Where the data has no labels for the network's classes, points of answers changed: an upper
    bound of the accuracy that can have been lost.
    """

    points: float
    low: float
    high: float
    images: int
    lost: int
    """Images that float has right and int8 wrong; without labels, that changed."""
    won: int
    """Images that int8 has right and float wrong; without labels, 0."""
    labelled: bool

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return dict(vars(self))

    def __str__(self) -> str:
        what = "points of top-1" if self.labelled else "% of the answers changed"
        return (
            f"{self.points:+.2f} {what} lost (99% interval {self.low:+.2f} to {self.high:+.2f}, "
            f"{self.images} images)"
        )


def paired_drop(lost: int, won: int, images: int, *, labelled: bool = True) -> Drop:
    """Points lost, with the interval of Agresti and Min for a difference of paired proportions.

    Half an observation is added to each cell of the two-by-two table (Agresti and Min, "Simple
    improved confidence intervals for comparing matched proportions", 2005), so that no discordant
    image does not mean no doubt.
    """
    total = images + 2
    fell, rose = lost + 0.5, won + 0.5
    centre = (fell - rose) / total
    spread = _Z99 * sqrt(max((fell + rose) - (fell - rose) ** 2 / total, 0.0)) / total
    points = 100 * (lost - won) / images
    return Drop(
        points,
        min(100 * (centre - spread), points),
        max(100 * (centre + spread), points),
        images,
        lost,
        won,
        labelled,
    )


class Judge:
    """Compares int8 candidates with the float model on the same held-back images."""

    def __init__(
        self,
        model: ModelProto,
        part: TestPart,
        spec: InputSpec,
        classes: int,
        *,
        simulated: bool,
        threads: int,
        most_images: int,
    ) -> None:
        """``model`` is the float one. ``simulated``: run int8 as float arithmetic between its
        Q/DQ pairs, which is what a CPU of another kind computes.
        """
        self._part, self._spec = part, spec
        self._simulated, self._threads = simulated, threads
        self.images = min(part.images, most_images)
        self.labelled = part.classes in (None, classes)
        self._cache: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] | None = None
        self._float = _Answers(self._session(model, simulated=False))
        if not self.images:
            raise InputError("no held-back images to judge int8 on; pass --no-max-drop")

    def drop(self, model: ModelProto, limit: float) -> Drop:
        """How much accuracy ``model`` loses, on as many images as it takes to tell it from
        ``limit``."""
        answers = _Answers(self._session(model, simulated=self._simulated))
        lost = won = seen = 0
        result = None
        for index, (images, labels) in enumerate(self._chunks()):
            before = self._float.classes(index, images)
            after = answers.classes(index, images)
            if self.labelled:
                right, still = before == labels, after == labels
                lost += int((right & ~still).sum())
                won += int((~right & still).sum())
            else:
                lost += int((before != after).sum())
            seen += len(images)
            result = paired_drop(lost, won, seen, labelled=self.labelled)
            if seen >= 2 * CHUNK and (result.high <= limit or result.low > limit):
                break
        if result is None:
            raise InputError("no held-back images to judge int8 on; pass --no-max-drop")
        return result

    def divergence(self, model: ModelProto, images: int = RANKING_IMAGES) -> float:
        """Mean Kullback-Leibler divergence of the answers from the float model's, in nats.

        Tells candidates apart that change few answers. The answers are taken as logits.
        """
        import numpy as np

        answers = _Answers(self._session(model, simulated=self._simulated))
        total, seen = 0.0, 0
        for index, (batch, _labels) in enumerate(self._chunks()):
            before = _log_softmax(self._float.scores(index, batch))
            after = _log_softmax(answers.scores(index, batch))
            total += float((np.exp(before) * (before - after)).sum())
            seen += len(before)
            if seen >= images:
                break
        return total / max(seen, 1)

    def pixels(self, images: int) -> np.ndarray[Any, Any]:
        """The first ``images`` held-back images, uint8 [N, H, W, C], repeated where too few."""
        import numpy as np

        first, _labels = next(iter(self._chunks()))
        return np.resize(first, (images, *first.shape[1:]))

    def _session(self, model: ModelProto, *, simulated: bool) -> _Session:
        return _Session(model, self._spec, threads=self._threads, optimised=not simulated)

    def _chunks(self) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        if self._cache is not None:
            yield from self._cache
            return
        spec = self._spec
        small = self.images * spec.height * spec.width * spec.channels <= _CACHE_BYTES
        kept = []
        for chunk in _regrouped(self._part.batches(spec), self.images):
            if small:
                kept.append(chunk)
            yield chunk
        if small:
            self._cache = kept


def _regrouped(
    batches: Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]], most: int
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """The first ``most`` images in groups of `CHUNK`."""
    import numpy as np

    images: list[np.ndarray[Any, Any]] = []
    labels: list[np.ndarray[Any, Any]] = []
    held = given = 0
    for batch, truth in batches:
        start = 0
        while start < len(batch) and given + held < most:
            count = min(CHUNK - held, len(batch) - start, most - given - held)
            images.append(batch[start : start + count])
            labels.append(truth[start : start + count])
            held, start = held + count, start + count
            if held == CHUNK:
                yield np.concatenate(images), np.concatenate(labels)
                images, labels, given, held = [], [], given + held, 0
        if given + held >= most:
            break
    if held:
        yield np.concatenate(images), np.concatenate(labels)


class _Answers:
    """A model's scores, each chunk of images run once."""

    def __init__(self, session: _Session) -> None:
        self._session = session
        self._scores: dict[int, np.ndarray[Any, Any]] = {}

    def scores(self, index: int, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if index not in self._scores:
            self._scores[index] = self._session.scores(images)
        return self._scores[index]

    def classes(self, index: int, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = self.scores(index, images).argmax(axis=1)
        return found


class _Session:
    """A model in ONNX Runtime, fed with uint8 [N, H, W, C] in small batches."""

    def __init__(
        self, model: ModelProto, spec: InputSpec, *, threads: int, optimised: bool
    ) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        if not optimised:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0]
        self._output = self._session.get_outputs()[0].name
        self._spec = spec
        fixed = self._input.shape[0]
        pixels = spec.height * spec.width
        self._batch = fixed if isinstance(fixed, int) else max(1, min(50, (1 << 18) // pixels))

    def scores(self, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Float64 [N, classes]; images beyond a fixed batch are filled up and cut off again."""
        import numpy as np

        parts = []
        for start in range(0, len(images), self._batch):
            part = images[start : start + self._batch]
            count = len(part)
            if isinstance(self._input.shape[0], int) and count < self._batch:
                part = np.concatenate([part, np.repeat(part[-1:], self._batch - count, axis=0)])
            (scores,) = self._session.run(
                [self._output], {self._input.name: normalise(part, self._spec)}
            )
            if scores.ndim < 2 or len(scores) != len(part):
                raise InputError(
                    f"the model's output '{self._output}' is {list(scores.shape)} for "
                    f"{len(part)} images, no scores an image; pass --no-max-drop"
                )
            parts.append(scores[:count].reshape(count, -1).astype(np.float64))
        joined = np.concatenate(parts)
        if not np.isfinite(joined).all():
            raise NncError("the network's output is NaN or infinite on the held-back images")
        return joined


def _log_softmax(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    shifted = scores - scores.max(axis=1, keepdims=True)
    result: np.ndarray[Any, Any] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
