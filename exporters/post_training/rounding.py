"""Choose for each weight whether to round up or down, so that the layer's output errs least.

Nagel, Amjad, van Baalen, Louizos and Blankevoort, Up or down? Adaptive rounding for post-training
quantization (ICML 2020). The choice is relaxed to h(V) in [0, 1], a rectified sigmoid (eq. 23),
pushed towards 0 or 1 by f_reg (eq. 24) while Adam minimises the error of the outputs (eq. 21). That
error is taken in its quadratic form (eq. 20), so a step costs one matrix product and no image. What
comes out is improved by single flips while any helps, and never worse than rounding to nearest.
Where a row has few weights, as in depthwise layers, all its choices are tried instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["choose_rounding", "output_error"]

_ZETA, _GAMMA = 1.1, -0.1
"""How far the sigmoid is stretched beyond 1 and 0 before it is cut off (eq. 23)."""
_STEPS = 300
_RATE = 0.1
_WARM_UP = 0.2
"""Share of the steps without regularisation."""
_STRENGTH = 0.02
"""Weight of f_reg beside the error, which is in squared steps of the weight's grid."""
_SHARPNESS = (20.0, 2.0)
"""Exponent of f_reg, from first to last: at first it moves only what is near 0 or 1."""
_PRODUCTS = 6e11
"""Multiply-accumulates to spend on the relaxation of a layer, at most."""
_FEWEST_STEPS = 100
"""Where the products allow no more than that, flips alone have to do."""
_SWEEPS = 8
_FEW = 9
"""Weights in a row of which all choices are tried, at most: 2 to that power."""
_BLOCK = 64


def choose_rounding(
    weights: np.ndarray[Any, Any],
    inputs: np.ndarray[Any, Any],
    cross: np.ndarray[Any, Any],
    limit: int,
) -> np.ndarray[Any, Any]:
    """int8 values [G, M, K] within ``limit``, each one of a weight's two neighbours on the grid.

    ``weights`` [G, M, K] are float32 in steps of the grid; ``inputs`` [G, K, K] is E[x' x'^T] and
    ``cross`` [G, M, K] is E[(w x) x'] in the same steps, as in `Moments`.
    """
    import numpy as np

    # With a typical input of power 1 the constants above suit every layer.
    power = np.trace(inputs, axis1=1, axis2=2)[:, None, None] / inputs.shape[1]
    power = np.where(power > 0, power, 1.0).astype(np.float32)
    inputs, cross = inputs / power, cross / power
    low = np.clip(np.floor(weights), -limit, limit)
    high = np.clip(low + 1, -limit, limit)
    nearest = np.clip(np.rint(weights), -limit, limit)
    if weights.shape[2] <= _FEW:
        return _better(_best(low, high, inputs, cross), nearest, inputs, cross).astype(np.int8)
    start = nearest
    steps = min(_STEPS, int(_PRODUCTS / max(weights.size * weights.shape[2], 1)))
    if steps >= _FEWEST_STEPS:
        relaxed = _relax(weights, low, high, inputs, cross, steps)
        start = _better(relaxed, nearest, inputs, cross)
    flipped = _flip(start, low, high, inputs, cross)
    # Errors are sums of large numbers that cancel: the last word is a count in float64.
    return _better(flipped, nearest, inputs, cross).astype(np.int8)


def output_error(
    values: np.ndarray[Any, Any], inputs: np.ndarray[Any, Any], cross: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """E[(w x - w' x')^2] - E[(w x)^2] of each row of ``values`` (w'), float64 [G, M]."""
    import numpy as np

    values = values.astype(np.float64)
    half = np.matmul(values, inputs.astype(np.float64)) - 2.0 * cross
    error: np.ndarray[Any, Any] = np.einsum("gmk,gmk->gm", half, values)
    return error


def _better(
    one: np.ndarray[Any, Any],
    other: np.ndarray[Any, Any],
    inputs: np.ndarray[Any, Any],
    cross: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """Row by row, ``one`` where it errs less, else ``other``."""
    import numpy as np

    wins = output_error(one, inputs, cross) < output_error(other, inputs, cross)
    return np.where(wins[:, :, None], one, other)


def _best(
    low: np.ndarray[Any, Any],
    high: np.ndarray[Any, Any],
    inputs: np.ndarray[Any, Any],
    cross: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """The best of all choices, found by trying each."""
    import numpy as np

    size = low.shape[2]
    choices = (np.arange(2**size)[:, None] >> np.arange(size) & 1).astype(np.float64)
    inputs = inputs.astype(np.float64)
    slope = np.matmul(low.astype(np.float64), inputs) - cross
    barred = np.where(high > low, 0.0, np.inf)
    # Error above that of ``low``: c B c + 2 c (B low - cross), for every c in {0, 1}^K.
    square = np.einsum("ck,gkl,cl->gc", choices, inputs, choices, optimize=True)
    error = square[:, None] + 2 * np.matmul(slope, choices.T)
    for index in range(size):
        error[:, :, choices[:, index] > 0] += barred[:, :, index, None]
    best: np.ndarray[Any, Any] = low + choices[error.argmin(axis=2)].astype(low.dtype)
    return best


def _relax(
    weights: np.ndarray[Any, Any],
    low: np.ndarray[Any, Any],
    high: np.ndarray[Any, Any],
    inputs: np.ndarray[Any, Any],
    cross: np.ndarray[Any, Any],
    steps: int,
) -> np.ndarray[Any, Any]:
    """Minimise the error over h in [0, 1], starting at the weights themselves, then round h."""
    import numpy as np

    free = (high > low).astype(np.float32)
    part = np.clip(weights - low, 0.01, 0.99)
    logit = -np.log((_ZETA - _GAMMA) / (part - _GAMMA) - 1).astype(np.float32)
    first, second = np.zeros_like(logit), np.zeros_like(logit)
    warm = int(_WARM_UP * steps)
    for step in range(steps):
        sigmoid = 1 / (1 + np.exp(-logit))
        share = np.clip(sigmoid * np.float32(_ZETA - _GAMMA) + np.float32(_GAMMA), 0, 1)
        gradient = 2 * (np.matmul(low + share * free, inputs) - cross)
        if step >= warm:
            done = (step - warm) / max(steps - warm, 1)
            exponent = _SHARPNESS[1] + (_SHARPNESS[0] - _SHARPNESS[1]) * (1 - done)
            around = 2 * share - 1
            pull = np.abs(around) ** np.float32(exponent - 1)
            gradient -= np.float32(2 * exponent * _STRENGTH) * np.copysign(pull, around)
        inside = (share > 0) & (share < 1)
        gradient *= inside * sigmoid * (1 - sigmoid) * free
        first += np.float32(0.1) * (gradient - first)
        second += np.float32(0.001) * (gradient * gradient - second)
        rate = _RATE * (1 - 0.999 ** (step + 1)) ** 0.5 / (1 - 0.9 ** (step + 1))
        logit -= np.float32(rate) * first / (np.sqrt(second) + np.float32(1e-8))
    return np.where((logit >= 0) & (free > 0), high, low)


def _flip(
    values: np.ndarray[Any, Any],
    low: np.ndarray[Any, Any],
    high: np.ndarray[Any, Any],
    inputs: np.ndarray[Any, Any],
    cross: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """Coordinate descent: weight by weight, take the other neighbour where that errs less.

    Rows do not depend on each other and are treated at once. The gradient is kept up to date within
    a block of weights, and for all others by one matrix product a block.
    """
    import numpy as np

    values = values.astype(np.float32)
    both = low + high
    diagonal = np.diagonal(inputs, axis1=1, axis2=2)
    slope = np.matmul(values, inputs) - cross
    for _ in range(_SWEEPS):
        flips = 0
        for start in range(0, values.shape[2], _BLOCK):
            block = slice(start, start + _BLOCK)
            local, among = slope[:, :, block].copy(), inputs[:, block, block]
            step = both[:, :, block] - 2 * values[:, :, block]
            moves = np.zeros_like(local)
            for index in range(local.shape[2]):
                move = step[:, :, index]
                gain = 2 * move * local[:, :, index] + move**2 * diagonal[:, None, start + index]
                move = np.where(gain < -1e-6, move, np.float32(0))
                moves[:, :, index] = move
                local += move[:, :, None] * among[:, None, index]
            if moves.any():
                values[:, :, block] += moves
                slope += np.matmul(moves, inputs[:, block])
                flips += int(np.count_nonzero(moves))
        if not flips:
            break
    return values
