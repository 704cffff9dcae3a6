"""One API over TensorRT's flavours: with the real RTX library, and against TensorRT 10's stubs."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from nnc.errors import InputError, MissingError
from nnc.runtimes import trt_callbacks, trt_compat

ROOT = Path(__file__).parents[2]
SPEAKERS = (
    *sorted((ROOT / "runtimes").glob("trt_*.py")),
    *sorted((ROOT / "exporters" / "trt").glob("*.py")),
)
"""The files that speak to TensorRT."""

ELSEWHERE = {
    "ComputeCapability": "RTX, and TensorRT that builds for several GPUs",
    "DynamicShapesKernelSpecializationStrategy": "RTX",
}
"""Names that TensorRT 10.13 does not have; each is asked for before it is used."""


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
    [("10.13.0.35", (10, 13, 0, 35)), ("8.6.1", (8, 6, 1)), ("11.0rc1", (11,)), ("", ())],
)
def test_version_numbers(text, numbers):
    assert trt_compat.version_numbers(text) == numbers


def _stubs() -> dict[str, str]:
    """The stub files of TensorRT 10 by their place, mended where they are no valid Python."""
    try:
        files = metadata.files("tensorrt-stubs") or []
    except metadata.PackageNotFoundError:
        pytest.skip("pip install --no-deps tensorrt-stubs")
    found = {}
    for file in files:
        if file.suffix == ".pyi":
            text = Path(str(file.locate())).read_text(encoding="utf-8")
            # A parameter that is called as a keyword, and one without a default after some with.
            text = re.sub(r"\bin: list\[", "in_: list[", text)
            text = re.sub(r"\bchannel_axis: int\) ", "channel_axis: int = 0) ", text)
            found[str(file)] = text.replace("import tensorrt_libs as tensorrt_libs\n", "")
    return found


def _names_used() -> set[tuple[str, ...]]:
    """``module.Name`` and ``module.Name.MEMBER`` in the files that speak to TensorRT."""
    found = set()
    for path in SPEAKERS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts: list[str] = []
            while isinstance(node, ast.Attribute):
                parts.append(node.attr)
                node = node.value
            if isinstance(node, ast.Name) and node.id == "module":
                parts.append("module")
            if "module" in parts:
                chain = tuple(reversed(parts[: parts.index("module")]))
                if chain and not chain[0].startswith("__"):
                    found.add(chain)
    return found


def test_every_name_is_in_tensorrt_10():
    stub = next(text for name, text in _stubs().items() if name.endswith("bindings/tensorrt.pyi"))
    tree = ast.parse(stub)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    used = _names_used()
    assert ("OnnxParser",) in used
    for name, *members in used:
        if name in ELSEWHERE:
            assert name not in classes, f"{name} is in the stubs: take it off the list"
            continue
        assert name in classes, name
        known = {
            target.id if isinstance(target, ast.Name) else getattr(target, "name", "")
            for entry in classes[name].body
            for target in (
                entry.targets
                if isinstance(entry, ast.Assign)
                else [getattr(entry, "target", entry)]
            )
        }
        assert set(members[:1]) <= known, f"{name}.{members}"


def test_every_name_is_in_the_rtx_library(rtx):
    for name, *members in _names_used():
        assert hasattr(rtx.module, name), name
        for member in members[:1]:
            assert hasattr(getattr(rtx.module, name), member), f"{name}.{member}"


def test_calls_fit_the_signatures_of_tensorrt_10(tmp_path):
    pytest.importorskip("mypy")
    for name, text in _stubs().items():
        target = tmp_path / "stubs" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    package = tmp_path / "package"
    package.mkdir()
    (package / "nnc").symlink_to(ROOT, target_is_directory=True)
    modules = ("runtimes.trt_compat", "runtimes.trt_runtime", "exporters.trt.engine")
    command = [
        *(sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")),
        *("--cache-dir", str(tmp_path / "cache"), "--follow-imports=skip"),
        *(word for name in modules for word in ("-m", f"nnc.{name}")),
    ]
    environment = {**os.environ, "MYPYPATH": str(tmp_path / "stubs")}
    done = subprocess.run(
        command, cwd=package, env=environment, capture_output=True, text=True, check=False
    )
    # The stubs have faults of their own; ours are those in our files.
    assert "checked 3 source files" in done.stdout, done.stdout + done.stderr
    ours = [
        line
        for line in done.stdout.splitlines()
        # Where a stub leaves the type of a result out, mypy takes what follows as unreachable.
        if line.startswith("nnc/") and not line.endswith("[unreachable]")
    ]
    assert ours == []
