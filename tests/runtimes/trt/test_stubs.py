"""What nnc calls of TensorRT, against the published type stubs of TensorRT 10."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SPEAKERS = (
    *sorted((ROOT / "runtimes" / "trt").glob("*.py")),
    *sorted((ROOT / "exporters" / "trt").glob("*.py")),
)
"""The files that speak to TensorRT."""

ELSEWHERE = {
    "ComputeCapability": "RTX, and TensorRT that builds for several GPUs",
    "DynamicShapesKernelSpecializationStrategy": "RTX",
}
"""Names that TensorRT 10.13 does not have; each is asked for before it is used."""


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
    # The flags of weakly typed networks and of creation are asked for by name.
    used = _names_used() | {("BuilderFlag", name) for name in ("INT8", "FP16")}
    used |= {
        ("NetworkDefinitionCreationFlag", name) for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED")
    }
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


def test_every_name_is_in_the_rtx_library():
    module = pytest.importorskip("tensorrt_rtx")
    for name, *members in _names_used():
        assert hasattr(module, name), name
        for member in members[:1]:
            assert hasattr(getattr(module, name), member), f"{name}.{member}"


def test_calls_fit_the_signatures_of_tensorrt_10(tmp_path):
    pytest.importorskip("mypy")
    for name, text in _stubs().items():
        target = tmp_path / "stubs" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    package = tmp_path / "package"
    package.mkdir()
    (package / "nnc").symlink_to(ROOT, target_is_directory=True)
    modules = (
        "runtimes.trt.library",
        *("runtimes.trt.callbacks", "runtimes.trt.compat", "runtimes.trt.runtime"),
        "exporters.trt.engine",
    )
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
    assert "checked 5 source files" in done.stdout, done.stdout + done.stderr
    ours = [
        line
        for line in done.stdout.splitlines()
        # Where a stub leaves the type of a result out, mypy takes what follows as unreachable.
        if line.startswith("nnc/") and not line.endswith("[unreachable]")
    ]
    assert ours == []
