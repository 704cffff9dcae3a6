"""One contestant in a process of its own: ``python worker.py FOLDER CONTESTANT THREADS``.

Says ``{"seconds", "bytes"}`` or ``{"error"}`` when ready, then answers lines on its input:
``time N`` with nanoseconds of N inferences of one image, ``accuracy`` with predicted classes.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from contestants import make
from networks import Task


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder, name, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    task = Task.load(folder)

    def answer(value: object) -> None:
        replies.write(json.dumps(value) + "\n")
        replies.flush()

    try:
        run, seconds, size = make(name, task, threads)
        image = np.ascontiguousarray(task.calibration()[:1])
        end = time.perf_counter() + 2
        while time.perf_counter() < end:
            run(image)
    except Exception as error:  # noqa: BLE001 - whatever a peer fails with is its result
        answer({"error": f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"})
        return
    answer({"seconds": seconds, "bytes": size})
    gc.disable()
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "time":
            times = []
            for _ in range(max(1, int(rest[0]) // 10)):
                run(image)
            for _ in range(int(rest[0])):
                start = time.perf_counter_ns()
                run(image)
                times.append(time.perf_counter_ns() - start)
            answer(times)
        elif command == "accuracy":
            images, _labels = task.test()
            # One at a time: a compiled network may be made for one image alone.
            answer([int(run(images[i : i + 1]).argmax()) for i in range(len(images))])


if __name__ == "__main__":
    main()
