"""Pipeline recipes: a TOML file that names stages, their inputs and their settings."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...whole_files import check_input
from .shipped import SHIPPED
from .stage_kinds import KINDS, StageKind

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Recipe", "StageSpec", "load_recipe", "shipped_recipes", "toml_value"]

BENCH_OUTPUT = "results.json"
CHECKPOINT = ".safetensors"
MAX_DEPTH = 8
TOO_LARGE = "a whole number of more than 64 bits; TOML has none such"
RESERVED = {BENCH_OUTPUT, "report.html", "results.md", "run.json"}


@dataclass(frozen=True)
class StageSpec:
    """One stage: what runs, on which inputs, into which file of the run's folder.

    A source is the output of an earlier stage or ``shipped:NAME``.
    """

    kind: str
    output: str
    sources: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A recipe as read and checked; stages stand in the order they run."""

    name: str
    description: str
    data: str
    seed: int
    stages: tuple[StageSpec, ...]


def shipped_recipes() -> dict[str, str]:
    """Names and descriptions of the recipes in the package."""
    found = {}
    for entry in sorted(files("nnc.toolchain.recipes").iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            table = tomllib.loads(entry.read_text(encoding="utf-8"))
            found[entry.name.removesuffix(".toml")] = str(table["recipe"]["description"])
    return found


def load_recipe(name: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of a shipped name or a path to a ``.toml`` file.

    ``overrides`` maps ``recipe.KEY`` or ``KIND.KEY`` (every stage of that kind) to values. Raises
    InputError, naming the nearest, for anything unknown.
    """
    table, source = _read(name)
    _table(table.get("recipe", {}), f"{source}: [recipe]")
    _override(table, overrides or {}, source)
    _check_extent(table, source)
    _only(table, ("recipe", "stage"), source, "table")
    head = _table(table.get("recipe"), f"{source}: [recipe]")
    _only(head, ("name", "description", "data", "seed"), f"{source}: [recipe]")
    recipe_name = _name(head.get("name", Path(name).stem), f"{source}: [recipe] name")
    stages = table.get("stage")
    if not isinstance(stages, list) or not stages:
        raise InputError(f"{source}: expected at least one [[stage]] table")
    specs: list[StageSpec] = []
    for number, entry in enumerate(stages, start=1):
        specs.append(_stage(_table(entry, f"{source}: stage {number}"), specs, source, number))
    return Recipe(
        name=recipe_name,
        description=_text(head.get("description", ""), f"{source}: [recipe] description"),
        data=_text(head.get("data", "fashion-mnist-mini"), f"{source}: [recipe] data"),
        seed=_seed(head.get("seed", 0), f"{source}: [recipe] seed"),
        stages=tuple(specs),
    )


def toml_value(text: str) -> Any:
    """``text`` as a TOML value; text that is none stands for itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # ValueError: no TOML, or a number of too many digits
        return text


def _read(name: str) -> tuple[dict[str, Any], str]:
    if name.endswith(".toml"):
        path = check_input(Path(name))
        source = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{source} is not readable UTF-8 text: {error}") from error
    else:
        shipped = shipped_recipes()
        if name not in shipped:
            hint = _nearest(name, shipped) or f"; expected a .toml file or {', '.join(shipped)}"
            raise InputError(f"no recipe '{name}'{hint}")
        source = f"recipe {name}"
        text = (files("nnc.toolchain.recipes") / f"{name}.toml").read_text(encoding="utf-8")
    try:
        return tomllib.loads(text), source
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{source} is not TOML: {error}") from error
    except ValueError as error:  # more digits than Python converts
        raise InputError(f"{source}: {TOO_LARGE}") from error


def _stage(
    entry: Mapping[str, Any], earlier: list[StageSpec], source: str, number: int
) -> StageSpec:
    kind_name = entry.get("run")
    where = f"{source}: stage {number}"
    if not isinstance(kind_name, str) or kind_name not in KINDS:
        hint = _nearest(str(kind_name), KINDS)
        raise InputError(f"{where}: run = {kind_name!r}; expected {', '.join(KINDS)}{hint}")
    where += f" ({kind_name})"
    kind = KINDS[kind_name]
    structure = {"run", *kind.structure}
    _only(entry, (*structure, *kind.settings), where)
    if any(spec.kind == "bench" for spec in earlier):
        raise InputError(f"{where}: the bench stage comes last, and once")
    settings = {key: value for key, value in entry.items() if key not in structure}
    kind.check(settings, where)
    return StageSpec(
        kind=kind_name,
        output=_output(entry, kind, earlier, where),
        sources=_sources(entry, kind, earlier, where),
        settings=settings,
    )


def _output(entry: Mapping[str, Any], kind: StageKind, earlier: list[StageSpec], where: str) -> str:
    if "output" not in kind.structure:
        return BENCH_OUTPUT
    output = _name(entry.get("output"), f"{where}: output")
    if not output.endswith(kind.suffix) or output == kind.suffix:
        raise InputError(f"{where}: output '{output}'; expected a name that ends in {kind.suffix}")
    if output in RESERVED or output in {spec.output for spec in earlier}:
        raise InputError(f"{where}: output '{output}' is taken")
    return output


def _sources(
    entry: Mapping[str, Any], kind: StageKind, earlier: list[StageSpec], where: str
) -> tuple[str, ...]:
    if "files" in kind.structure:
        names = entry.get("files")
        if not isinstance(names, list) or not names:
            raise InputError(f"{where}: files: expected a list of at least one name")
    elif "from" in kind.structure:
        names = [entry.get("from")]
    else:
        return ()
    made = [spec.output for spec in earlier]
    for name in names:
        if not isinstance(name, str) or (name not in made and not name.startswith(SHIPPED)):
            hint = _nearest(str(name), made)
            raise InputError(
                f"{where}: from {name!r}; expected the output of an earlier stage or "
                f"{SHIPPED}NAME{hint}"
            )
        if not name.endswith(kind.takes) and not name.startswith(SHIPPED):
            raise InputError(f"{where}: from '{name}'; expected {' or '.join(kind.takes)}")
        if name.startswith(SHIPPED) and CHECKPOINT not in kind.takes:
            raise InputError(
                f"{where}: from '{name}', a checkpoint; expected {' or '.join(kind.takes)}: "
                "export it in an earlier stage"
            )
        if names.count(name) > 1:
            raise InputError(f"{where}: '{name}' is named twice; name each file once")
    return tuple(names)


def _override(table: dict[str, Any], overrides: Mapping[str, Any], source: str) -> None:
    """Apply ``--set``; only values are replaced, the stages' structure stays."""
    for path, value in overrides.items():
        part, _, key = path.partition(".")
        if part == "recipe":
            _only({key: value}, ("data", "seed"), f"--set {path}")
            table.setdefault("recipe", {})[key] = value
            continue
        if part not in KINDS:
            hint = _nearest(part, ("recipe", *KINDS))
            raise InputError(
                f"--set {path}: expected recipe.KEY or STAGE.KEY with a stage of "
                f"{', '.join(KINDS)}{hint}"
            )
        _only({key: value}, KINDS[part].settings, f"--set {path}")
        stages = table.get("stage")
        entries = [e for e in stages if isinstance(e, dict)] if isinstance(stages, list) else []
        matching = [entry for entry in entries if entry.get("run") == part]
        if not matching:
            raise InputError(f"--set {path}: {source} has no {part} stage")
        for entry in matching:
            entry[key] = value


def _check_extent(table: Mapping[str, Any], source: str) -> None:
    """Refuse numbers and nesting that no setting has and that could not even be shown."""
    pending: list[tuple[Any, int]] = [(table, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise InputError(f"{source}: nested more than {MAX_DEPTH} deep; expected plain values")
        if isinstance(value, Mapping):
            pending += [(part, depth + 1) for part in value.values()]
        elif isinstance(value, list):
            pending += [(part, depth + 1) for part in value]
        elif isinstance(value, int) and value.bit_length() > 63:
            raise InputError(f"{source}: {TOO_LARGE}")


def _only(
    table: Mapping[str, Any], known: Iterable[str], where: str, word: str = "setting"
) -> None:
    known = tuple(known)
    for key in table:
        if key not in known:
            hint = _nearest(key, known) or f"; expected {', '.join(sorted(known))}"
            raise InputError(f"{where}: unknown {word} '{key}'{hint}")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: expected a table")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where} = {value!r}; expected text")
    return value


def _seed(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise InputError(f"{where} = {value!r}; expected a whole number from 0 to 2^32 - 1")
    return value


def _name(value: Any, where: str) -> str:
    """A plain file name: it can never lead out of the run's folder."""
    text = _text(value, where)
    if (
        not text
        or text.startswith(".")
        or len(text) > 120
        or not all(c.isalnum() or c in "._-" for c in text)
    ):
        raise InputError(
            f"{where} = {text!r}; expected a plain name of letters, digits, '.', '_' and '-'"
        )
    return text
