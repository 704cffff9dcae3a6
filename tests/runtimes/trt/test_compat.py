"""One API over TensorRT's flavours, with the real RTX library."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from importlib import metadata
from types import SimpleNamespace

import pytest

from nnc.errors import InputError, MissingError
from nnc.runtimes.trt import callbacks as trt_callbacks
from nnc.runtimes.trt import compat as trt_compat

TYPES = ("INT8", "FP16")
STRONG = "STRONGLY_TYPED"


@pytest.fixture
def rtx():
    pytest.importorskip("tensorrt_rtx")
    return trt_compat.load_library("rtx")


@pytest.fixture
def log():
    return []


@pytest.fixture
def tools(rtx, log):
    logger = trt_callbacks.new_logger(rtx, lambda severity, text: log.append((severity, text)))
    return rtx, logger, trt_compat.new_builder(rtx, logger)


def test_the_library_says_what_it_is(rtx):
    assert (rtx.flavour, rtx.title) == ("rtx", f"TensorRT for RTX {rtx.version}")
    assert rtx.version == metadata.version("tensorrt-rtx-cu13")
    assert rtx.cuda == "13"
    assert rtx.strongly_typed
    assert rtx.targets[0] == 75
    assert 120 in rtx.targets
    assert not rtx.keeps_timings


def module_of(*, network, builder):
    """A TensorRT that offers these flags and calls, and whose flags are numbered from 0."""
    return SimpleNamespace(
        NetworkDefinitionCreationFlag=SimpleNamespace(**{n: i for i, n in enumerate(network)}),
        BuilderFlag=SimpleNamespace(**{name: name for name in builder}),
        IBuilderConfig=SimpleNamespace(create_timing_cache=None),
        ProfilingVerbosity=SimpleNamespace(DETAILED="detailed"),
    )


@dataclass(frozen=True)
class Offer:
    """What a version offers, and what follows from it."""

    id: str
    module: SimpleNamespace
    strong: bool
    network_flags: int
    flags: tuple[str, ...]


OFFERS = (
    Offer("8.6", module_of(network=["EXPLICIT_BATCH"], builder=TYPES), False, 1, ("INT8", "FP16")),
    Offer("10", module_of(network=["EXPLICIT_BATCH", STRONG], builder=TYPES), True, 2, ()),
    Offer("11", module_of(network=["OTHER"], builder=["REFIT"]), True, 0, ()),
)


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.id)
def test_versions_are_told_apart_by_what_they_offer(offer):
    library = trt_compat.Library("tensorrt", "1.0", "", offer.module)
    assert library.strongly_typed is offer.strong
    assert library.network_flags == offer.network_flags
    assert library.targets == ()
    assert library.keeps_timings
    told = []
    config = SimpleNamespace(set_flag=told.append)
    builder = SimpleNamespace(create_builder_config=lambda: config)
    trt_compat.new_config(library, builder, precision="int8")
    assert tuple(told) == offer.flags
    assert config.profiling_verbosity == "detailed"
    told.clear()
    trt_compat.new_config(library, builder, precision="fp32")
    assert told == []
    assert not trt_compat.uses_tf32(library, config)


def test_fp32_clears_tf32_where_there_is_such_a_flag():
    module = module_of(network=[STRONG], builder=["TF32"])
    library = trt_compat.Library("tensorrt", "1.0", "", module)
    flags = {"TF32"}
    config = SimpleNamespace(clear_flag=flags.remove, get_flag=flags.__contains__)
    builder = SimpleNamespace(create_builder_config=lambda: config)
    trt_compat.new_config(library, builder, precision="fp16")
    assert trt_compat.uses_tf32(library, config)
    trt_compat.new_config(library, builder, precision="fp32")
    assert not trt_compat.uses_tf32(library, config)


def test_plug_ins_are_registered_before_anything_is_made():
    calls = []
    module = SimpleNamespace(
        init_libnvinfer_plugins=lambda logger, namespace: calls.append(("plug-ins", namespace)),
        Builder=lambda logger: calls.append("builder"),
        Runtime=lambda logger: calls.append("runtime"),
    )
    library = trt_compat.Library("tensorrt", "1.0", "", module)
    trt_compat.new_builder(library, None)
    trt_compat.new_runtime(library, None)
    assert calls == [("plug-ins", ""), "builder", ("plug-ins", ""), "runtime"]
    del module.init_libnvinfer_plugins
    trt_compat.new_builder(library, None)


def test_auto_is_what_is_installed(rtx):
    assert trt_compat.load_library().flavour == trt_compat.installed_flavours()[0]


@pytest.mark.parametrize(
    ("flavour", "extras"),
    [("auto", ("[trt]", "[rtx]")), ("tensorrt", ("[trt]",)), ("rtx", ("[rtx]",))],
)
def test_a_missing_library_names_its_extra(monkeypatch, flavour, extras):
    monkeypatch.setattr(trt_compat.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match="CUDA 13") as caught:
        trt_compat.load_library(flavour)
    assert all(extra in str(caught.value) for extra in extras)
    assert "\n" not in str(caught.value)


def test_a_library_that_cannot_be_imported_is_one_line(rtx, monkeypatch):
    def fail(name):
        raise ImportError("libtensorrt_rtx.so.1: cannot open shared object file\nmore")

    monkeypatch.setattr(trt_compat.importlib, "import_module", fail)
    with pytest.raises(MissingError, match=r"cannot be imported .*so\.1.*\[rtx\]") as caught:
        trt_compat.load_library("rtx")
    assert "\n" not in str(caught.value)


def test_type_stubs_alone_are_no_library(tmp_path, monkeypatch):
    (tmp_path / "tensorrt").mkdir()
    (tmp_path / "tensorrt" / "__init__.pyi").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    if "tensorrt" in sys.modules:
        pytest.skip("TensorRT is loaded")
    assert "tensorrt" not in trt_compat.installed_flavours() or _real_tensorrt()


def _real_tensorrt() -> bool:
    try:
        metadata.version("tensorrt")
    except metadata.PackageNotFoundError:
        return False
    return True


def test_an_unknown_flavour_is_refused():
    with pytest.raises(InputError, match="expected one of auto, tensorrt, rtx"):
        trt_compat.load_library("lean")


def test_a_network_is_parsed_and_built(tools, net):
    rtx, logger, builder = tools
    model = net.tiny_model(batch=4).SerializeToString()
    parsed = trt_compat.parse_onnx(rtx, builder, logger, model)
    assert parsed.faults == ()
    entry = parsed.network.get_input(0)
    assert (entry.name, tuple(entry.shape)) == ("x", (4, 1, 8, 8))
    assert trt_compat.dtype_name(entry.dtype) == "float32"
    config = trt_compat.new_config(rtx, builder, precision="int8", targets=[86, 89])
    assert config.num_compute_capabilities == 2
    plan = trt_compat.build_plan(rtx, builder, parsed.network, config)
    assert plan[:4] == b"vtrt"


def test_what_the_parser_refuses_is_named(tools, net):
    import onnx

    rtx, logger, builder = tools
    nodes = [onnx.helper.make_node("Nonsense", ["x"], ["y"], name="odd")]
    model = net.wrap(nodes, {}).SerializeToString()
    parsed = trt_compat.parse_onnx(rtx, builder, logger, model)
    (fault, *_) = parsed.faults
    assert (fault.node, fault.op) == ("odd", "Nonsense")
    assert fault.reason
    assert "\n" not in fault.reason


def test_what_is_no_onnx_is_a_fault(tools):
    rtx, logger, builder = tools
    assert trt_compat.parse_onnx(rtx, builder, logger, b"nonsense").faults


def test_the_log_is_handed_on(tools, log, net):
    rtx, logger, builder = tools
    trt_compat.parse_onnx(rtx, builder, logger, b"nonsense")
    assert {severity for severity, _ in log} & {"error", "internal_error"}
    assert all("\n" not in text for _, text in log)


@pytest.mark.parametrize("when", ["parsing", "building"])
def test_an_interrupt_in_a_callback_is_not_lost(rtx, net, when):
    """In C++ a KeyboardInterrupt from a logger is printed and forgotten, and the build goes on."""
    heard = []

    def listen(severity, text):
        heard.append(text)
        if pressed and len(heard) == 1:
            signal.raise_signal(signal.SIGINT)

    pressed = False
    logger = trt_callbacks.new_logger(rtx, listen)
    builder = trt_compat.new_builder(rtx, logger)
    model = net.tiny_model(batch=4).SerializeToString()
    heard.clear()
    if when == "parsing":
        pressed = True
        with pytest.raises(KeyboardInterrupt):
            trt_compat.parse_onnx(rtx, builder, logger, model)
        return
    parsed = trt_compat.parse_onnx(rtx, builder, logger, model)
    config = trt_compat.new_config(rtx, builder, precision="fp32", targets=[89])
    heard.clear()
    pressed = True
    with pytest.raises(KeyboardInterrupt):
        trt_compat.build_plan(rtx, builder, parsed.network, config)
    assert not any("Engine generation completed" in text for text in heard)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "int4"}, "expected one of int8, fp16, fp32"),
        ({"precision": "int8", "targets": [90]}, r"cannot build for compute capability 90.* 75"),
    ],
)
def test_bad_settings_are_refused(tools, settings, message):
    rtx, _, builder = tools
    with pytest.raises(InputError, match=message):
        trt_compat.new_config(rtx, builder, **settings)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("10.13.0.35", (10, 13, 0, 35)),
        ("1.\u00b2", (1,)),
        ("\u0661.2", ()),
        ("8.6.1", (8, 6, 1)),
        ("11.0rc1", (11,)),
        ("", ()),
    ],
)
def test_version_numbers(text, numbers):
    assert trt_compat.version_numbers(text) == numbers
