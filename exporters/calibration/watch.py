"""Run a network and look at its inner tensors, a few images at a time.

What is held at any moment is bounded: the images of a run are as few, and the tensors fetched by it
as many, as fit a fixed budget. The number of images plays no part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from .session import open_session, run_session, with_outputs
from .sizes import tensor_sizes

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    Array = np.ndarray[Any, Any]

__all__ = ["MOST_IMAGES", "Watch"]

MOST_IMAGES = 32
"""Images of one run, at most."""

_BUDGET = 8 * 1024 * 1024
"""Values that one run may hand out, unless a single tensor of a single image has more: 32 MiB."""


class Watch:
    """A network whose ``tensors`` can be looked at while it runs.

    Raises InputError where ONNX Runtime cannot load the model.
    """

    def __init__(self, model: ModelProto, tensors: Sequence[str], threads: int = 0) -> None:
        self._tensors = list(tensors)
        # What says nothing of its type is taken for a tensor; sequences hold no range of their own.
        outputs = [
            value.name
            for value in model.graph.output
            if value.type.WhichOneof("value") in (None, "tensor_type")
        ]
        with with_outputs(model, tensors) as watched:
            self._session = open_session(watched, threads)
        entry = self._session.get_inputs()[0]
        self._input: str = entry.name
        fixed = entry.shape[0] if entry.shape else None
        self._fixed = fixed if isinstance(fixed, int) and fixed > 0 else None
        self._fetched = [*tensors, *(name for name in outputs if name not in set(tensors))]
        self._model = model
        self._images = 0
        self._groups: list[list[str]] = []

    def runs(self, batches: Iterable[Array]) -> Iterator[tuple[int, Iterator[tuple[int, Array]]]]:
        """For each run: its number of images, and pairs of a tensor's index and its values.

        The pairs have to be gone through before the next run. ``batches`` are float32
        [N, C, H, W]; they are cut and joined to runs of one size, so how the images are grouped
        changes nothing. Where the model fixes its batch, images that do not fill a last one are
        left out. Raises InputError where the model cannot run on the images or a tensor becomes NaN
        or infinite, naming it.
        """
        for images in self._regrouped(batches):
            yield len(images), self._look(images)

    def _look(self, images: Array) -> Iterator[tuple[int, Array]]:
        import numpy as np

        places = {name: index for index, name in enumerate(self._tensors)}
        for group in self._groups:
            fetched = [name for name in group if name != self._input]
            values = dict(zip(fetched, run_session(self._session, fetched, images), strict=True))
            if self._input in group:
                values[self._input] = images
            for name in group:
                value = values.pop(name)
                if value.dtype.kind == "f" and value.size:
                    # A maximum in numpy is NaN where any value is; ONNX Runtime's is not.
                    if not (np.isfinite(value.min()) and np.isfinite(value.max())):
                        raise InputError(_not_finite(name, known=name in places))
                    if name in places:
                        yield places[name], value

    def _regrouped(self, batches: Iterable[Array]) -> Iterator[Array]:
        import numpy as np

        rest: Array | None = None
        for batch in batches:
            if not np.isfinite(batch).all():
                raise InputError(
                    "the calibration images hold NaN or infinite values after normalising; "
                    "check mean and std"
                )
            if not self._groups and len(batch):
                self._plan(batch)
            joined = batch if rest is None or not len(rest) else np.concatenate([rest, batch])
            size = self._images or 1
            whole = len(joined) - len(joined) % size
            for start in range(0, whole, size):
                yield np.ascontiguousarray(joined[start : start + size])
            rest = joined[whole:].copy()
        if rest is not None and len(rest) and self._fixed is None:
            yield rest

    def _plan(self, batch: Array) -> None:
        """How many images a run takes, and which tensors are fetched together."""
        import numpy as np

        one = self._fixed or 1
        images = np.resize(batch, (one, *batch.shape[1:]))
        sizes = tensor_sizes(self._model, self._fetched, self._input, images)
        self._images = one
        while self._fixed is None and self._images < MOST_IMAGES:
            if 2 * self._images * sum(sizes) > _BUDGET:
                break
            self._images *= 2
        held = _BUDGET + 1
        for name, size in zip(self._fetched, sizes, strict=True):
            held += size * self._images // one
            if held > _BUDGET:
                self._groups.append([])
                held = size * self._images // one
            self._groups[-1].append(name)


def _not_finite(name: str, *, known: bool) -> str:
    if not known:
        return (
            "the network's output is NaN or infinite on the calibration images; check its weights"
        )
    return (
        f"tensor '{name}' becomes NaN or infinite on the calibration images; "
        "check the weights of the layer before it"
    )
