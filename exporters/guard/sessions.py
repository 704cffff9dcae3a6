"""Models in ONNX Runtime, as the guard runs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...runtimes.preprocess import normalise
from ...runtimes.reasons import short_reason

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from ...model_card import InputSpec

__all__ = ["Session", "run_once"]


class Session:
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
            raise InputError(
                f"ONNX Runtime cannot load the model: {short_reason(error)}"
            ) from error
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
            raise InputError("the network's output is NaN or infinite on the held-back images")
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
                raise InputError(
                    f"the model cannot run on the held-back images: {short_reason(error)}"
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
