"""The three networks as real engines: what the file, its sidecar and the library say of them."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from nnc.exporters.trt_engine import CalibrationData, EngineResult, quantise
from nnc.model_card import InputSpec
from nnc.runtimes.artifact import Artifact, read_artifact
from nnc.runtimes.preprocess import normalise
from nnc.runtimes.trt.compat import load_library, version_numbers
from nnc.runtimes.trt.preflight import check_library, load_plan
from nnc.runtimes.trt.sidecar import read_sidecar
from nnc.whole_files import sha256_of

from ..conftest import run_onnx, sqnr
from .building import RTX

pytest.importorskip("tensorrt_rtx")
pytest.importorskip("torch")
pytestmark = pytest.mark.slow

BATCH = (1, 1, 8)
MULTIPLYING = ("correlation", "runtime_fusion", "gemm", "matmul")
"""Kinds of layers, in the library's own words, that multiply with weights."""


@dataclass(frozen=True)
class Whole:
    """A whole network's ONNX file, and images as it takes them."""

    name: str
    artifact: Artifact
    images: np.ndarray


@pytest.fixture(scope="module", params=["mobilenet", "shufflenet", "alexnet"])
def whole(request, exported, card, tmp_path_factory) -> Whole:
    from nnc.exporters.onnx_export import export_module
    from nnc.models import build
    from nnc.toolchain.data import open_data

    name = request.param
    spec = InputSpec(1, 224, 224, (0.286,), (0.353,)) if name == "alexnet" else card.input
    count = 24 if name == "alexnet" else 128
    mini = open_data("fashion-mnist-mini")
    images = mini.training.take(np.arange(count), spec.height, spec.width)
    if name == "alexnet":
        path = tmp_path_factory.mktemp(name) / "alexnet.onnx"
        export_module(build(name, 10, 1).eval(), replace(card, input=spec), path, images=images[:2])
    else:
        path = exported(name).onnx
    return Whole(name, read_artifact(path), normalise(images, spec))


@pytest.fixture
def layers_of_engine(caplog):
    """Precisions of the finished engine's layers with weights, by the list the library logs.

    The same list as the engine inspector's, which needs a GPU.
    """
    caplog.set_level(logging.DEBUG, "nnc.exporters.trt.engine")

    def read() -> Counter[str]:
        text = next((m for m in caplog.messages if m.startswith("TensorRT: Layers: ")), "")
        if not text:
            pytest.skip("this version of the library lists no layers")
        found: Counter[str] = Counter()
        for part in re.split(r"(?=Name: [^,{}]+, LayerType: )", text)[1:]:
            kind = re.search(r"LayerType: (\w+)", part)[1]
            if kind in MULTIPLYING:
                # What it reads, and then the weights it holds.
                first, _, rest = part.partition("Constants: ")
                read, held = (re.search(r"Datatype: (\w+)", half)[1] for half in (first, rest))
                assert read == held
                found[{"Int8": "int8", "Half": "fp16", "Float": "fp32"}[read]] += 1
        return found

    return read


def check_files(whole: Whole, result: EngineResult, output: Path) -> None:
    """Header, tensors and sidecar of an engine, as its user meets them."""
    library = load_library("rtx")
    plan = load_plan(output)
    assert plan.header.flavour == "rtx"
    assert plan.header.version == version_numbers(library.version)[:4]
    assert plan.header.size == output.stat().st_size
    check_library(plan, library)
    sidecar = read_sidecar(output)
    assert sidecar == result.sidecar
    assert (sidecar.flavour, sidecar.version, sidecar.cuda) == ("rtx", library.version, "13")
    assert sidecar.engine_sha256 == sha256_of(output)
    assert sidecar.targets == (89,)
    assert sidecar.batch == BATCH
    image = whole.artifact.card.input
    shape = (None, 1, image.height, image.width)
    assert [(t.name, t.dtype, t.shape) for t in sidecar.inputs] == [("input", "float32", shape)]
    (scores,) = sidecar.outputs
    assert (scores.dtype, scores.shape) == ("float32", (None, 10))
    assert sidecar.card.input == image
    assert sidecar.card.labels == whole.artifact.card.labels


def test_fp32(whole, tmp_path, layers_of_engine) -> None:
    output = tmp_path / "out.engine"
    settings = replace(RTX, precision="fp32", batch=BATCH)
    result = quantise(whole.artifact, output, None, settings)
    check_files(whole, result, output)
    assert result.sidecar.parent_sha256 == whole.artifact.sha256
    assert {layer.precision for layer in result.sidecar.layers} == {"fp32"}
    assert layers_of_engine() == {"fp32": len(result.sidecar.layers)}


def test_int8_but_for_what_is_named_with_a_reason(whole, tmp_path, layers_of_engine) -> None:
    output = tmp_path / "out.engine"
    data = CalibrationData(lambda: iter([whole.images[:-8]]))
    settings = replace(RTX, keep_onnx=True, batch=BATCH)
    result = quantise(whole.artifact, output, data, settings)
    check_files(whole, result, output)
    left = [layer for layer in result.sidecar.layers if layer.precision != "int8"]
    assert all(layer.why for layer in left)
    assert [layer.op for layer in left if "faster in fp16" in layer.why] == ["Gemm"]
    # ShuffleNet's depthwise convolutions of 58 and 116 channels.
    grouped = [layer for layer in left if "no multiples of 8" in layer.why]
    assert len(grouped) == len(left) - 1 == (13 if whole.name == "shufflenet" else 0)
    assert layers_of_engine() == Counter(layer.precision for layer in result.sidecar.layers)
    x = whole.images[-8:]
    assert sqnr(run_onnx(whole.artifact.path, x), run_onnx(result.onnx, x)) > 15
