"""``nnc run``: a recipe from its first stage to the table, resumed where an earlier run stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..report.plain_text import byte_size
from .console import Console
from .options import device_option, report_options

if TYPE_CHECKING:
    from ..pipeline import StageRecord

__all__ = ["run"]


def _overrides(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, Any]:
    """click callback: ``STAGE.KEY=VALUE``, the value as TOML, else as plain text."""
    from ..pipeline.recipe import toml_value

    settings = {}
    for text in values:
        path, sign, value = text.partition("=")
        if not sign or "." not in path:
            raise click.BadParameter(
                f"'{text}'; expected STAGE.KEY=VALUE, as in train.epochs=1", param=parameter
            )
        settings[path.strip()] = toml_value(value.strip())
    return settings


def _list(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """click callback: ``--list`` prints the shipped recipes and ends."""
    if not value or context.resilient_parsing:
        return
    from ..pipeline import shipped_recipes

    recipes = shipped_recipes()
    width = max(map(len, recipes))
    for name, description in recipes.items():
        click.echo(f"{name:{width}}  {description}")
    context.exit()


@click.command()
@click.argument("recipe")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of the run.  [default: runs/RECIPE]",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    callback=_overrides,
    metavar="STAGE.KEY=VALUE",
    help="Replace a setting in every stage of that kind, or recipe.data or recipe.seed.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="NNC_DATA_DIR",
    show_envvar=True,
    help="Where data sets lie or are put.",
)
@device_option("auto", "cpu", "cuda", default="auto")
@click.option("--force", is_flag=True, help="Replace files there that no run of it made.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="List the shipped recipes.",
)
@report_options
def run(
    recipe: str,
    output: Path | None,
    overrides: dict[str, Any],
    data_dir: Path | None,
    device: str,
    force: bool,
    console: Console,
) -> None:
    """Run a recipe: every stage from training to the table.

    RECIPE is a shipped name (--list) or a TOML file. Stages whose settings, inputs and data have
    not changed are kept: after an interruption the same command goes on where it stopped.
    """
    from ..pipeline import run as run_recipe
    from .command_line import command_line

    result = run_recipe(
        recipe,
        output,
        overrides=overrides,
        data_dir=data_dir,
        device=device,
        progress=console.progress,
        report=lambda record: console.say(_line(record)),
        overwrite=force,
        command=command_line(),
    )
    if result.bench is not None:
        from .bench_view import bench_view

        console.say("")
        console.show(lambda width: bench_view(result.bench or {}, width))
        console.say("")
    console.wrote(result.shipped, result.to_json())


def _line(record: StageRecord) -> str:
    how = "kept" if record.kept else f"{record.seconds:.0f} s"
    return f"{record.kind:9} {record.output.name} ({byte_size(record.size_bytes)}, {how})"
