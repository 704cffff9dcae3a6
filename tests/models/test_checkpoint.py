"""Checkpoints come back as they were written, and nothing else is taken for one."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nnc import models
from nnc.errors import InputError
from nnc.model_card import InputSpec, ModelCard, Stage
from nnc.models import checkpoint

CARD = ModelCard(
    InputSpec(1, 28, 28, (0.5,), (0.5,)),
    tuple("0123456789"),
    "shufflenet",
    macs=123,
    history=(Stage("train", {"data": "fashion-mnist-mini"}, {"validation_accuracy": 0.5}, "nnc"),),
)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return models.build("shufflenet", 10, 1)


@pytest.fixture
def saved(tmp_path: Path, network: torch.nn.Module) -> Path:
    path = tmp_path / "x.safetensors"
    models.save(path, network, CARD)
    return path


def test_round_trip(saved: Path, network: torch.nn.Module) -> None:
    loaded, card = models.load(saved)
    assert card == CARD
    assert not loaded.training
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_half_keeps_weights_in_two_bytes(tmp_path: Path, network: torch.nn.Module) -> None:
    path = tmp_path / "half.safetensors"
    models.save(path, network, CARD, half=True)
    arrays = models.read_arrays(path)
    assert arrays["conv1.0.weight"].dtype == np.float16
    assert arrays["conv1.1.running_var"].dtype == np.float32
    loaded, _ = models.load(path)
    assert all(p.dtype == torch.float32 for p in loaded.parameters())


def test_existing_file_is_kept(saved: Path, network: torch.nn.Module) -> None:
    before = saved.read_bytes()
    with pytest.raises(InputError, match="--force"):
        models.save(saved, network, CARD)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def _pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"a": 1}))


def _torch_zip(path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, path)


def _foreign(path: Path) -> None:
    save_file({"a": torch.zeros(1)}, path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_bytes(b""), "is empty"),
        (lambda p: p.mkdir(), "is a directory"),
        (lambda p: None, "does not exist"),
        (lambda p: p.write_bytes(b"\x07" * 100), "not a readable safetensors"),
        (lambda p: p.write_bytes((1 << 40).to_bytes(8, "little")), "not a readable safetensors"),
        (_pickled, "never unpickles"),
        (_torch_zip, "never unpickles"),
        (_foreign, "another tool"),
    ],
    ids=["empty", "directory", "missing", "noise", "lying header", "pickle", "zip", "foreign"],
)
def test_other_files_are_refused(tmp_path: Path, make: object, message: str) -> None:
    path = tmp_path / "bad.safetensors"
    make(path)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        models.load(path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_truncated(saved: Path, part: float) -> None:
    saved.write_bytes(saved.read_bytes()[: int(saved.stat().st_size * part)])
    with pytest.raises(InputError, match="not a readable safetensors"):
        models.load(saved)


def rewrite(path: Path, change: object) -> None:
    """Change the header's properties and the tensors of a checkpoint."""
    properties = CARD.to_properties()
    tensors = {n: torch.from_numpy(a) for n, a in models.read_arrays(path).items()}
    change(properties, tensors)  # type: ignore[operator]
    save_file(tensors, path, metadata=properties)


CHANGES = {
    "unknown architecture": (
        lambda p, t: p.update({"nnc.architecture": '"resnet"'}),
        "unknown architecture 'resnet'",
    ),
    "newer schema": (lambda p, t: p.update({"nnc.schema_version": "99"}), "update nnc"),
    "no JSON": (lambda p, t: p.update({"nnc.labels": "{"}), "damaged nnc metadata"),
    "wrong type": (lambda p, t: p.update({"nnc.input": "3"}), "damaged nnc metadata"),
    "five channels": (
        lambda p, t: p.update({"nnc.input": json.dumps({"channels": 5, "height": 1, "width": 1})}),
        "5 input channels",
    ),
    "other classes": (
        lambda p, t: p.update({"nnc.labels": '["a", "b"]'}),
        r"'fc\.bias' has shape \[10\]; shufflenet needs \[2\]",
    ),
    "missing tensor": (lambda p, t: t.pop("fc.bias"), "'fc.bias' and 0 more tensors are missing"),
    "extra tensor": (lambda p, t: t.update(x=torch.zeros(1)), "'x' is none of shufflenet's"),
    "NaN": (lambda p, t: t["fc.bias"].fill_(float("nan")), "NaN or infinite"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES.keys())
def test_damaged_contents(saved: Path, change: object, message: str) -> None:
    rewrite(saved, change)
    with pytest.raises(InputError, match=message):
        models.load(saved)


def test_name_must_end_in_safetensors(tmp_path: Path, network: torch.nn.Module) -> None:
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        models.save(tmp_path / "x.pt", network, CARD)


def test_full_disk_is_one_line(
    tmp_path: Path, network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError

    from nnc.errors import NncError

    def full(*args: object, **kwargs: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(NncError, match="no space left on the disk"):
        checkpoint.save(tmp_path / "x.safetensors", network, CARD)
    assert not list(tmp_path.iterdir())


def test_an_image_size_that_the_network_cannot_take(saved: Path) -> None:
    size = json.dumps({"channels": 1, "height": 8192, "width": 8192})
    rewrite(saved, lambda p, t: p.update({"nnc.input": size}))
    with pytest.raises(InputError, match="image size 8192x8192"):
        models.load(saved)
