"""Each way to run a network, as a function from images to scores."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from networks import Task

Run = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
Made = tuple[Run, float, "int | None"]
"""Scores of a batch, float32 [N, C, H, W]; seconds it took to quantise and save; bytes written."""


def _torch(module: Any, threads: int) -> Run:
    import torch

    torch.set_num_threads(threads)

    def run(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(images)))

    return run


def eager(task: Task, threads: int) -> Made:
    """PyTorch as it is."""
    return _torch(task.module(), threads), 0.0, None


def compiled(task: Task, threads: int) -> Made:
    """torch.compile with its default backend."""
    import torch

    torch.set_num_threads(threads)
    return _torch(torch.compile(task.module()), threads), 0.0, None


def fbgemm(task: Task, threads: int) -> Made:
    """PyTorch's static int8 as the paper used it: FX graph mode, fbgemm.

    Its int8 mean fails over maps of one pixel, as ShuffleNet has at 28: there the last convolution
    and the mean behind it stay float."""
    import torch
    from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx

    torch.set_num_threads(threads)
    torch.backends.quantized.engine = "fbgemm"
    images = task.calibration()
    start = time.perf_counter()
    mapping = get_default_qconfig_mapping("fbgemm")
    if task.name == "shufflenet-28":
        mapping = mapping.set_module_name_regex("conv5.*", None)
    model = quantize_fx.prepare_fx(task.module(), mapping, torch.from_numpy(images[:1]))
    with torch.inference_mode():
        for first in range(0, len(images), 32):
            model(torch.from_numpy(images[first : first + 32]))
    model = quantize_fx.convert_fx(model)
    path = task.folder / "fbgemm.pt"
    torch.save(model.state_dict(), path)
    return _torch(model, threads), time.perf_counter() - start, path.stat().st_size


def pt2e(task: Task, threads: int) -> Made:
    """PyTorch 2 export quantisation for x86, compiled by inductor."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    torch.set_num_threads(threads)
    images = task.calibration()
    start = time.perf_counter()
    example = (torch.from_numpy(images[:1]),)
    exported = torch.export.export(task.module(), example).module()
    quantiser = x86.X86InductorQuantizer()
    quantiser.set_global(x86.get_default_x86_inductor_quantization_config())
    model = prepare_pt2e(exported, quantiser)
    with torch.inference_mode():
        for image in images:
            model(torch.from_numpy(image[None]))
    model = convert_pt2e(model)
    with torch.inference_mode():
        fast = torch.compile(model)
        fast(*example)
    return _torch(fast, threads), time.perf_counter() - start, None


def _ort(path: Path, threads: int) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def ort_float(task: Task, threads: int) -> Made:
    """nnc's float export in ONNX Runtime."""
    return _ort(task.model, threads), 0.0, task.model.stat().st_size


class _Reader:
    def __init__(self, images: np.ndarray[Any, Any], name: str) -> None:
        self._left = iter([{name: image[None]} for image in images])

    def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
        return next(self._left, None)


def ort_static(task: Task, threads: int) -> Made:
    """ONNX Runtime's quantize_static, called as in its documentation's example."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    images = task.calibration()
    ready, path = task.folder / "ort-ready.onnx", task.folder / "ort-static.onnx"
    start = time.perf_counter()
    quant_pre_process(str(task.model), str(ready))
    quantize_static(
        str(ready),
        str(path),
        _Reader(images, "input"),
        quant_format=QuantFormat.QDQ,
        per_channel=False,
        weight_type=QuantType.QInt8,
    )
    return _ort(path, threads), time.perf_counter() - start, path.stat().st_size


def neural_compressor(task: Task, threads: int) -> Made:
    """Intel's Neural Compressor for ONNX: its static quantisation with the defaults."""
    from onnx_neural_compressor import data_reader
    from onnx_neural_compressor.quantization import QuantFormat, config, quantize

    images = task.calibration()

    class Reader(data_reader.CalibrationDataReader):
        def __init__(self) -> None:
            self.rewind()

        def rewind(self) -> None:
            self._left = iter([{"input": image[None]} for image in images])

        def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
            return next(self._left, None)

    path = task.folder / "neural-compressor.onnx"
    start = time.perf_counter()
    told = config.StaticQuantConfig(calibration_data_reader=Reader(), quant_format=QuantFormat.QDQ)
    quantize(str(task.model), str(path), told)
    seconds = time.perf_counter() - start
    # Its weights lie in a file beside the graph.
    size = sum(file.stat().st_size for file in task.folder.glob(f"{path.name}*"))
    return _ort(path, threads), seconds, size


def nnc_int8(task: Task, threads: int) -> Made:
    """nnc quantise: its defaults for trained networks; random weights are judged by time alone."""
    from nnc.exporters.ort_int8 import Int8Settings, quantise
    from nnc.runtimes.artifact import read_artifact
    from nnc.toolchain.data import open_data
    from nnc.toolchain.feeds import held_back

    images = task.calibration()
    path = task.folder / "nnc-int8.onnx"
    card = read_artifact(task.model).card
    name = "fashion-mnist" if task.trained else "cifar10"
    data = open_data(name, Path(os.environ["NNC_DATA_DIR"]))
    count = Int8Settings().held_back_images if task.trained else 64
    part = held_back(data, card.input, count, 0)
    start = time.perf_counter()
    batches = [images[first : first + 32] for first in range(0, len(images), 32)]
    settings = Int8Settings(
        samples=len(images),
        threads=threads,
        calibration="auto" if task.trained else "minmax",
        max_drop=0.5 if task.trained else None,
    )
    quantise(task.model, path, lambda: iter(batches), settings, held_back=part, overwrite=True)
    return _ort(path, threads), time.perf_counter() - start, path.stat().st_size


def _openvino(model: Any, threads: int) -> Run:
    import openvino as ov

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    compiled_model = ov.Core().compile_model(model, "CPU", settings)
    request = compiled_model.create_infer_request()
    return lambda images: request.infer({0: images})[0].copy()


def openvino_float(task: Task, threads: int) -> Made:
    """The float export in OpenVINO."""
    import openvino as ov

    return _openvino(ov.Core().read_model(str(task.model)), threads), 0.0, None


def nncf_openvino(task: Task, threads: int) -> Made:
    """NNCF's quantize with its defaults, run by OpenVINO."""
    import nncf
    import openvino as ov

    images = task.calibration()
    start = time.perf_counter()
    model = ov.Core().read_model(str(task.model))
    data = nncf.Dataset([image[None] for image in images])
    quantised = nncf.quantize(model, data, subset_size=len(images))
    path = task.folder / "nncf.xml"
    ov.save_model(quantised, str(path))
    seconds = time.perf_counter() - start
    size = path.stat().st_size + path.with_suffix(".bin").stat().st_size
    return _openvino(ov.Core().read_model(str(path)), threads), seconds, size


CONTESTANTS: dict[str, Callable[[Task, int], Made]] = {
    "PyTorch eager": eager,
    "torch.compile": compiled,
    "fbgemm int8": fbgemm,
    "PT2E x86 int8": pt2e,
    "ORT fp32 (nnc export)": ort_float,
    "ORT quantize_static": ort_static,
    "Neural Compressor (ORT)": neural_compressor,
    "nnc int8": nnc_int8,
    "OpenVINO fp32": openvino_float,
    "NNCF int8 (OpenVINO)": nncf_openvino,
}


def make(name: str, task: Task, threads: int) -> Made:
    """Build a contestant with its libraries' chatter turned off."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):  # noqa: PTH123
        return CONTESTANTS[name](task, threads)
