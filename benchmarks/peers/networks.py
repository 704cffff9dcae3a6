"""The networks that the peers are compared on, and the images that all of them are given."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CALIBRATION_IMAGES = {28: 512, 224: 100}

REFERENCES = {"mobilenet-28": "mobilenet", "shufflenet-28": "shufflenet"}
OWN = {"mobilenetv2-224": "mobilenet", "shufflenetv2-224": "shufflenet", "alexnet-224": "alexnet"}
TORCHVISION = ("resnet18", "mobilenet_v3_small", "efficientnet_b0")
NETWORKS = (*REFERENCES, *OWN, *TORCHVISION)


@dataclass(frozen=True)
class Task:
    """One network in a folder: ``float.onnx``, ``calibration.npy`` (float32 [N, C, H, W],
    normalised), and for trained networks ``test.npz`` (images likewise, labels)."""

    folder: Path
    name: str
    checkpoint: Path | None = None

    @property
    def model(self) -> Path:
        return self.folder / "float.onnx"

    @property
    def trained(self) -> bool:
        return self.checkpoint is not None

    @property
    def size(self) -> int:
        return 28 if self.trained else 224

    def calibration(self) -> np.ndarray[Any, Any]:
        return np.load(self.folder / "calibration.npy")

    def test(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        with np.load(self.folder / "test.npz") as arrays:
            return arrays["images"], arrays["labels"]

    def save(self) -> None:
        told = {"name": self.name, "checkpoint": str(self.checkpoint or "")}
        (self.folder / "task.json").write_text(json.dumps(told), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Task:
        told = json.loads((folder / "task.json").read_text("utf-8"))
        return cls(folder, told["name"], Path(told["checkpoint"]) if told["checkpoint"] else None)

    def module(self) -> Any:
        """The network in PyTorch, in evaluation mode; random weights where it is not trained."""
        import torch

        torch.manual_seed(0)
        if self.checkpoint is not None:
            from nnc.models import load

            return load(self.checkpoint)[0].eval()
        if self.name in OWN:
            from nnc.models import build

            return build(OWN[self.name], 10, 3).eval()
        import torchvision

        return getattr(torchvision.models, self.name)(weights=None, num_classes=10).eval()


def prepare(name: str, checkpoint: Path | None, data_dir: Path | None, folder: Path) -> Task:
    """Write what the contestants are given. ``checkpoint`` is of a network trained on
    FashionMNIST; the shipped reference where ``name`` is one and no other is given."""
    from nnc import InputSpec, ModelCard
    from nnc.exporters.onnx_export import export_module
    from nnc.models.checkpoint import read_card
    from nnc.runtimes.preprocess import normalise
    from nnc.toolchain.data import open_data, pick_balanced
    from nnc.toolchain.feeds import calibration_images
    from nnc.toolchain.pipeline.shipped import shipped_checkpoint

    folder.mkdir(parents=True)
    if checkpoint is None and name in REFERENCES:
        checkpoint = shipped_checkpoint(f"{REFERENCES[name]}-fashion-mnist")
    task = Task(folder, name, checkpoint)
    if checkpoint is not None:
        data, card = open_data("fashion-mnist", data_dir), read_card(checkpoint)
    else:
        data = open_data("cifar10", data_dir)
        spec = InputSpec(3, 224, 224, data.mean, data.std)
        card = ModelCard(spec, tuple(data.classes))
    spec = card.input
    count = CALIBRATION_IMAGES[task.size]
    batches = list(calibration_images(data, spec, count)())
    np.save(folder / "calibration.npy", np.concatenate(batches))
    if task.trained:
        images = [
            normalise(data.test.take(part, spec.height, spec.width), spec)
            for part in np.array_split(np.arange(len(data.test)), 20)
        ]
        np.savez(folder / "test.npz", images=np.concatenate(images), labels=data.test.labels)
    shown = data.training.take(pick_balanced(data.training, 4), spec.height, spec.width)
    export_module(task.module(), card, task.model, images=shown)
    task.save()
    return task
