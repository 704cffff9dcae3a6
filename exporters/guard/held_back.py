"""What int8 does to a network's answers on images that it was not calibrated on."""

from __future__ import annotations

import logging
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

__all__ = ["Drop", "Judge", "first_line", "paired_drop", "run_once"]

log = logging.getLogger(__name__)

CHUNK = 500
"""Images between two looks at whether the verdict is clear."""

RANKING_IMAGES = 500

_Z99 = 2.5758293035489004
"""The normal distribution's 99.5% quantile: several looks are taken, so each must be surer."""

_CACHE_BYTES = 256 << 20

_ABOVE_CHANCE = 0.1
"""Labels are believed to be the network's where float gets this much of what is beyond chance."""

MOST_OTHER_ERROR = 0.25
"""Of an output beside the scores: noise over signal, as amplitudes, from which it is ruined."""

_OTHER_IMAGES = 50


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
    float_top1: float | None = None
    """The float model's own accuracy on these images, a fraction; None without labels."""
    others: float = 0.0
    """The largest relative error of the outputs beside the scores; 0 where there are none."""

    def holds(self, limit: float) -> bool:
        """Whether at most ``limit`` points are lost, and no other output is ruined."""
        return self.points <= limit and self.others <= MOST_OTHER_ERROR

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return dict(vars(self))

    def __str__(self) -> str:
        interval = f"99% interval {self.low:+.2f} to {self.high:+.2f}, {self.images} images"
        if self.labelled:
            whole = "" if self.float_top1 is None else f" of {100 * self.float_top1:.2f}"
            text = f"{self.points:+.2f} points of top-1 lost{whole} ({interval})"
        else:
            text = f"{self.points:.2f} % of the answers changed ({interval})"
        if self.others:
            text += f", other outputs off by up to {self.others:.1%}"
        return text


def paired_drop(
    lost: int,
    won: int,
    images: int,
    *,
    labelled: bool = True,
    float_top1: float | None = None,
    others: float = 0.0,
) -> Drop:
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
        max(min(100 * (centre - spread), points), -100.0 if labelled else 0.0),
        min(max(100 * (centre + spread), points), 100.0),
        images,
        lost,
        won,
        labelled,
        float_top1,
        others,
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
        self._classes = classes
        self._labelled: bool | None = None if part.classes in (None, classes) else False
        self._cache: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] | None = None
        self._float = _Answers(self._session(model, simulated=False))
        if not self.images:
            raise InputError("no held-back images to judge int8 on; pass --no-max-drop")

    @property
    def labelled(self) -> bool:
        """Whether the labels are those that the float model was trained on.

        Another order of classes looks like a network that only guesses; then, answers that change
        are counted instead.
        """
        if self._labelled is None:
            images, labels = next(iter(self._chunks()))
            right = float((self._float.classes(0, images) == labels).mean())
            chance = 1 / max(self._classes, 2)
            self._labelled = right >= chance + _ABOVE_CHANCE * (1 - chance)
            if not self._labelled:
                log.warning(
                    "the float model gets %.1f %% of the held-back images right, hardly more than "
                    "by chance: its classes may stand in another order than the data's; judging "
                    "int8 by the answers that change",
                    100 * right,
                )
        return self._labelled

    def drop(self, model: ModelProto, limit: float) -> Drop:
        """How much accuracy ``model`` loses, on as many images as it takes to tell it from
        ``limit``."""
        answers = _Answers(self._session(model, simulated=self._simulated))
        lost = won = seen = correct = 0
        others = self._others(answers)
        result = None
        for index, (images, labels) in enumerate(self._chunks()):
            before = self._float.classes(index, images)
            after = answers.classes(index, images)
            if self.labelled:
                right, still = before == labels, after == labels
                lost += int((right & ~still).sum())
                won += int((~right & still).sum())
                correct += int(right.sum())
            else:
                lost += int((before != after).sum())
            seen += len(images)
            result = paired_drop(
                lost,
                won,
                seen,
                labelled=self.labelled,
                float_top1=correct / seen if self.labelled else None,
                others=others,
            )
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

    def _others(self, answers: _Answers) -> float:
        """The largest relative error of the float outputs beside the first."""
        if not self._float.session.others:
            return 0.0
        import numpy as np

        images, _labels = next(iter(self._chunks()))
        before = self._float.session.other_outputs(images[:_OTHER_IMAGES])
        after = answers.session.other_outputs(images[:_OTHER_IMAGES])
        worst = 0.0
        for exact, found in zip(before, after, strict=True):
            signal = max(float(np.linalg.norm(exact)), 1e-30)
            worst = max(worst, float(np.linalg.norm(found - exact)) / signal)
        return worst

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
        self.session = session
        self._scores: dict[int, np.ndarray[Any, Any]] = {}

    def scores(self, index: int, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if index not in self._scores:
            self._scores[index] = self.session.scores(images)
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
        try:
            self._session = ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no public base class
            raise NncError(f"ONNX Runtime cannot load the model: {first_line(error)}") from error
        self._input = self._session.get_inputs()[0]
        outputs = self._session.get_outputs()
        self._output = outputs[0].name
        self.others = [value.name for value in outputs[1:] if value.type == "tensor(float)"]
        self._spec = spec
        fixed = self._input.shape[0]
        pixels = spec.height * spec.width
        self._batch = fixed if isinstance(fixed, int) else max(1, min(50, (1 << 18) // pixels))

    def scores(self, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Float64 [N, classes]; images beyond a fixed batch are filled up and cut off again."""
        import numpy as np

        parts = []
        for (scores,), count in self._run([self._output], images):
            if (
                scores.ndim < 2
                or len(scores) < count
                or scores.size != len(scores) * max(scores.shape[1:])
            ):
                raise InputError(
                    f"the model's output '{self._output}' is {list(scores.shape)} for "
                    f"{count} images: no scores of classes, which accuracy could be judged by; "
                    "pass --no-max-drop"
                )
            parts.append(scores[:count].reshape(count, -1).astype(np.float64))
        joined = np.concatenate(parts)
        if not np.isfinite(joined).all():
            raise NncError("the network's output is NaN or infinite on the held-back images")
        return joined

    def other_outputs(self, images: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        """Values of the float outputs beside the first, float64."""
        import numpy as np

        runs = [
            [np.asarray(value[:count], np.float64).ravel() for value in values]
            for values, count in self._run(self.others, images)
        ]
        return [np.concatenate(parts) for parts in zip(*runs, strict=True)]

    def _run(
        self, outputs: list[str], images: np.ndarray[Any, Any]
    ) -> Iterator[tuple[list[np.ndarray[Any, Any]], int]]:
        """``outputs`` batch by batch, and how many of a batch are no filling."""
        import numpy as np

        for start in range(0, len(images), self._batch):
            part = images[start : start + self._batch]
            count = len(part)
            if isinstance(self._input.shape[0], int) and count < self._batch:
                part = np.concatenate([part, np.repeat(part[-1:], self._batch - count, axis=0)])
            feeds = {self._input.name: normalise(part, self._spec)}
            try:
                values = self._session.run(outputs, feeds)
            except Exception as error:
                raise NncError(
                    f"the model cannot run on the held-back images: {first_line(error)}"
                ) from error
            yield values, count


def run_once(model: ModelProto, images: np.ndarray[Any, Any]) -> None:
    """Run a model on one batch, as a user would; it raises what ONNX Runtime does."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    session.run(None, {session.get_inputs()[0].name: images})


def first_line(error: BaseException) -> str:
    """What an error says first."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _log_softmax(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    shifted = scores - scores.max(axis=1, keepdims=True)
    result: np.ndarray[Any, Any] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
