"""Makes fashion_mnist_mini.npz from the full set.

    python -m nnc.toolchain.data.make_fashion_mnist_mini

6,000 training and 2,000 test images, class-balanced, drawn by seed 0 from the full set's parts. Of
the training images 20 % of every class come from the full set's validation part, so that the
small set splits as the full one does and nothing held out there is trained on here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...whole_files import write_whole
from .dataset import pick_balanced
from .images import Images
from .sources import open_data

__all__ = ["main"]

TRAIN, VALIDATION, TEST = 4800, 1200, 2000


def main(output: Path) -> None:
    """Write the small set to ``output``."""
    full = open_data("fashion-mnist")
    train, validation = full.split(seed=0)

    def draw(images: Images, samples: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        chosen = np.sort(pick_balanced(images, samples, seed=0))
        return images.take(chosen, full.height, full.width)[..., 0], images.labels[chosen]

    parts = [draw(train, TRAIN), draw(validation, VALIDATION), draw(full.test, TEST)]
    with write_whole(output, overwrite=True) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            x_train=np.concatenate([parts[0][0], parts[1][0]]),
            y_train=np.concatenate([parts[0][1], parts[1][1]]).astype(np.uint8),
            x_test=parts[2][0],
            y_test=parts[2][1].astype(np.uint8),
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "fashion_mnist_mini.npz")
