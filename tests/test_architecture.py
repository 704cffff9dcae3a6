"""The house rules that a machine can hold: who imports whom, what stays light, what is small."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("models", "runtimes", "exporters", "toolchain")

# Folder -> folders it may import besides itself and the modules in the root.
MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "models": set(),
    "runtimes": {"models"},
    "exporters": {"runtimes"},
    "toolchain": {"models", "runtimes", "exporters"},
}

# The package's lazy front and `python -m nnc` stand above the folders.
FRONTS = {"__init__.py", "__main__.py"}

# `runtimes` reaches `models` only to read and run a checkpoint.
ONLY_FROM = {
    ("runtimes", "models"): {"runtimes/artifact.py", "runtimes/torch_runtime.py"},
}

HEAVY = {"torch", "torchvision", "onnx", "onnxruntime", "onnxscript", "tensorrt", "numpy"}
TORCH = {"torch", "torchvision", "onnxscript"}

# Modules that may import torch when they are imported.
TORCH_MODULES = {
    "nnc.models.alexnet",
    "nnc.models.macs",
    "nnc.models.mobilenet",
    "nnc.models.shufflenet",
    "nnc.models.unregularised",
    "nnc.exporters.onnx_export",
    "nnc.exporters.onnx_trace",
}
TORCH_PACKAGES = ("nnc.toolchain.training.", "nnc.toolchain.pruning.")

LINES_AT_MOST = 400


def _sources() -> list[Path]:
    files = list(ROOT.glob("*.py"))
    for folder in FOLDERS:
        files += (ROOT / folder).rglob("*.py")
    return sorted(files)


SOURCES = _sources()
IDS = [path.relative_to(ROOT).as_posix() for path in SOURCES]
every_source = pytest.mark.parametrize("path", SOURCES, ids=IDS)


def _module(path: Path) -> str:
    parts = ["nnc", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in SOURCES}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _own_imports(path: Path, *, top_level: bool) -> set[str]:
    """Modules of nnc that a file imports; ``top_level``: only those run when it is imported."""
    found: set[str] = set()
    for node in _statements(_tree(path)) if top_level else ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "nnc"}
        elif isinstance(node, ast.ImportFrom):
            base = _base(path, node)
            if base is None:
                continue
            found.add(base)
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in found if name in MODULES}


def _base(path: Path, node: ast.ImportFrom) -> str | None:
    if node.level == 0:
        return node.module if (node.module or "").split(".")[0] == "nnc" else None
    package = _module(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def _statements(tree: ast.AST) -> list[ast.stmt]:
    """Statements that run on import: not those in functions, nor under TYPE_CHECKING."""
    found: list[ast.stmt] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.stmt):
            found.append(node)
        found += _statements(node)
    return found


def _folder(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FOLDERS else ""


@every_source
def test_imports_point_one_way(path: Path) -> None:
    if path.parent == ROOT and path.name in FRONTS:
        return  # stands above the folders
    name = path.relative_to(ROOT).as_posix()
    mine = _folder(_module(path))
    for target in _own_imports(path, top_level=False):
        theirs = _folder(target)
        if theirs in ("", mine):
            continue
        assert theirs in MAY_IMPORT[mine], f"{name} imports {target}"
        only = ONLY_FROM.get((mine, theirs))
        assert only is None or name in only, f"{name} imports {target}; only {only} may"


@every_source
def test_imports_between_own_modules_are_relative(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            assert all(alias.name.split(".")[0] != "nnc" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert (node.module or "").split(".")[0] != "nnc", f"line {node.lineno}"


def test_no_module_takes_part_in_an_import_cycle() -> None:
    graph = {
        module: {name for name in _own_imports(path, top_level=True) if name != module}
        for module, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if module in trail:
            raise AssertionError(" -> ".join([*trail[trail.index(module) :], module]))
        if module in done:
            return
        for target in sorted(graph[module]):
            # A package's __init__ hands on names of its own modules: they may not import it back,
            # but importing `package.module` names the package too, which is no import of it.
            if module.startswith(target + "."):
                continue
            visit(target, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@every_source
def test_has_a_docstring_and_says_what_it_offers(path: Path) -> None:
    tree = _tree(path)
    assert ast.get_docstring(tree), "no module docstring"
    names = {
        target.id
        for node in tree.body
        for target in (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if isinstance(target, ast.Name)
    }
    assert "__all__" in names, "no __all__"


@every_source
def test_is_small_and_silent(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_AT_MOST
    calls = [
        node.lineno
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert not calls, f"print in line {calls}"


@every_source
def test_no_star_import(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), f"line {node.lineno}"


@every_source
def test_torch_stays_where_it_is_expected(path: Path) -> None:
    module = _module(path)
    if module in TORCH_MODULES or module.startswith(TORCH_PACKAGES):
        return
    for node in _statements(_tree(path)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        assert not {name.split(".")[0] for name in names} & TORCH, f"line {node.lineno}"


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(settings["tool"]["setuptools"]["packages"])
    found = {_module(path) for path in SOURCES if path.name == "__init__.py"}
    assert listed == found
    loose = {
        path.parent
        for path in SOURCES
        if path.parent != ROOT and not (path.parent / "__init__.py").exists()
    }
    assert not loose, "folders with modules and no __init__.py"


def test_everything_else_imports_where_torch_is_missing() -> None:
    names = [
        name
        for name in MODULES
        if name not in TORCH_MODULES
        and (not name.startswith(TORCH_PACKAGES) or name.endswith("settings"))
        and name != "nnc.__main__"
    ]
    code = (
        "import sys, importlib\n"
        f"sys.modules.update(dict.fromkeys({sorted(TORCH)!r}))\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_nnc_loads_nothing_heavy() -> None:
    code = f"import sys, nnc; print(sorted(set(sys.modules) & {HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
