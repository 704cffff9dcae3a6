"""Tiny ONNX networks: convolution, ReLU, average pool, fully connected; 1x8x8 images, 3 classes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnc.model_card import InputSpec, ModelCard

onnx = pytest.importorskip("onnx")

CHANNELS, SIZE, CLASSES = 1, 8, 3
SPEC = InputSpec(CHANNELS, SIZE, SIZE, (0.5,), (0.25,))
CARD = ModelCard(SPEC, ("dark", "middle", "bright"), architecture="tiny")

PARAMETERS = 4 * 1 * 3 * 3 + 4 + 3 * 4 + 3
MACS = 4 * SIZE * SIZE * 9 + 4 * 3


def tensors(seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Weights of the tiny network; exactly two of them are zero."""
    source = np.random.default_rng(seed)
    found = {
        "conv.weight": source.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "conv.bias": source.normal(size=4).astype(np.float32),
        "fc.weight": source.normal(size=(3, 4)).astype(np.float32),
        "fc.bias": source.normal(size=3).astype(np.float32),
    }
    found["conv.weight"][0, 0, 0, 0] = 0
    found["fc.bias"][1] = 0
    return found


def tiny_model(*, seed: int = 0, batch: int | str = "N", card: ModelCard | None = CARD) -> Any:
    """The tiny network as a ModelProto, with nnc's metadata if ``card`` is given."""
    make = onnx.helper.make_node
    nodes = [
        make("Conv", ["x", "conv.weight", "conv.bias"], ["a"], pads=[1, 1, 1, 1], name="conv"),
        make("Relu", ["a"], ["b"]),
        make("GlobalAveragePool", ["b"], ["c"]),
        make("Flatten", ["c"], ["d"]),
        make("Gemm", ["d", "fc.weight", "fc.bias"], ["y"], transB=1, name="fc"),
    ]
    return wrap(nodes, tensors(seed), batch=batch, card=card)


def wrap(
    nodes: list[Any],
    constants: dict[str, np.ndarray[Any, Any]],
    *,
    batch: int | str = "N",
    card: ModelCard | None = CARD,
) -> Any:
    """A model from ``x`` [batch, 1, 8, 8] to ``y`` [batch, 3]."""
    real = onnx.TensorProto.FLOAT
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "tiny",
        [info("x", real, [batch, CHANNELS, SIZE, SIZE])],
        [info("y", real, [batch, CLASSES])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    for key, value in (card.to_properties() if card else {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    return model


def expected_scores(batch: np.ndarray[Any, Any], seed: int = 0) -> np.ndarray[Any, Any]:
    """What the tiny network returns for float32 [N, 1, 8, 8], in NumPy."""
    own = tensors(seed)
    padded = np.pad(batch[:, 0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    maps = np.einsum("nhwij,cij->nchw", windows, own["conv.weight"][:, 0])
    maps = np.maximum(maps + own["conv.bias"][:, None, None], 0).mean(axis=(2, 3))
    return np.asarray(maps @ own["fc.weight"].T + own["fc.bias"], np.float32)


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny network under a name and return its path."""

    def write(name: str = "tiny.onnx", **settings: Any) -> Path:
        path = tmp_path / name
        path.write_bytes(tiny_model(**settings).SerializeToString())
        return path

    return write


@pytest.fixture(scope="session")
def net() -> SimpleNamespace:
    """The tiny network's makers and true figures."""
    return SimpleNamespace(
        CARD=CARD,
        MACS=MACS,
        PARAMETERS=PARAMETERS,
        SPEC=SPEC,
        expected_scores=expected_scores,
        tensors=tensors,
        tiny_model=tiny_model,
        TARGET=TARGET,
        sidecar_of=sidecar_of,
        wrap=wrap,
    )


TARGET = 89
"""Compute capability that the tests' engines are built for."""


def build(model: bytes) -> bytes:
    """The plan of a model with a free batch, for 1 to 8 images; this needs no GPU."""
    from nnc.runtimes.trt import callbacks as trt_callbacks
    from nnc.runtimes.trt import compat as trt_compat

    library = trt_compat.load_library("rtx")
    said: list[str] = []
    logger = trt_callbacks.new_logger(library, lambda kind, text: said.append(f"{kind}: {text}"))
    builder = trt_compat.new_builder(library, logger)
    parsed = trt_compat.parse_onnx(library, builder, logger, model)
    assert not parsed.faults
    config = trt_compat.new_config(
        library, builder, precision="fp32", workspace_mb=64, targets=[TARGET]
    )
    profile = builder.create_optimization_profile()
    profile.set_shape("x", *((size, CHANNELS, SIZE, SIZE) for size in (1, 2, 8)))
    config.add_optimization_profile(profile)
    plan = trt_compat.build_plan(library, builder, parsed.network, config)
    assert plan is not None, said
    return plan


def sidecar_of(plan: bytes, **changes: Any) -> Any:
    """What describes `build`'s plan, but for ``changes``."""
    from nnc.runtimes.base import TensorSpec
    from nnc.runtimes.trt.sidecar import LayerPrecision, Sidecar

    fields = {
        "flavour": "rtx",
        "version": "1.7.1.116",
        "cuda": "13",
        "precision": "fp32",
        "batch": (1, 2, 8),
        "inputs": (TensorSpec("x", "float32", (None, CHANNELS, SIZE, SIZE)),),
        "outputs": (TensorSpec("y", "float32", (None, CLASSES)),),
        "card": CARD,
        "engine_sha256": hashlib.sha256(plan).hexdigest(),
        "parent_sha256": "ab" * 32,
        "parameters": PARAMETERS,
        "nonzero_parameters": PARAMETERS - 2,
        "targets": (TARGET,),
        "layers": (LayerPrecision("conv", "Conv", "fp32"),),
        "calibration": {"method": "entropy", "images": 512},
        "build_seconds": 1.5,
    }
    return Sidecar(**{**fields, **changes})


@pytest.fixture(scope="session")
def plan() -> bytes:
    """The tiny network as TensorRT for RTX really builds it."""
    pytest.importorskip("tensorrt_rtx")
    return build(tiny_model().SerializeToString())


@pytest.fixture
def engine(plan: bytes, tmp_path: Path) -> Callable[..., Path]:
    """Write that plan under a name and return its path.

    ``data`` stands in for the plan, ``changes`` in the sidecar that describes the plan;
    ``sidecar=False`` leaves that out.
    """
    from nnc.runtimes.trt.compat import load_library
    from nnc.runtimes.trt.sidecar import sidecar_path

    def write(data: bytes = plan, *, sidecar: bool = True, **changes: Any) -> Path:
        path = tmp_path / "tiny.engine"
        path.write_bytes(data)
        sidecar_path(path).unlink(missing_ok=True)
        if sidecar:
            own = {"version": load_library("rtx").version, **changes}
            sidecar_of(plan, **own).write(sidecar_path(path))
        return path

    return write
