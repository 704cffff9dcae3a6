"""``nnc experiment``: the paper's studies, each loaded when it is used."""

from __future__ import annotations

import difflib
import importlib

import click

__all__ = ["experiment"]

# Name -> where the command lives, and its line in `nnc experiment --help`.
EXPERIMENTS = {
    "overfit": (
        "experiment_overfit:overfit",
        "Does pruning cure overfitting, or do more epochs (Table III, with a control)?",
    ),
    "compression": (
        "experiment_compression:compression",
        "Table I's row for one network, four ways of pruning side by side.",
    ),
}


class _LazyExperiments(click.Group):
    """Experiments by name; a module is imported when its experiment is run or asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(EXPERIMENTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in EXPERIMENTS:
            return None
        module, _, function = EXPERIMENTS[cmd_name][0].partition(":")
        command: click.Command = getattr(
            importlib.import_module(f".{module}", __package__), function
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in EXPERIMENTS and not name.startswith("-"):
            near = difflib.get_close_matches(name.lower(), EXPERIMENTS, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"expected {', '.join(EXPERIMENTS)}"
            raise click.UsageError(f"no experiment '{name}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Experiments"):
            formatter.write_dl([(name, line) for name, (_, line) in EXPERIMENTS.items()])


@click.group(cls=_LazyExperiments)
def experiment() -> None:
    """Run one of the paper's studies, from training to table and figure.

    Every network of a study is a file in its folder, made once: after an interruption the same
    command goes on where it stopped.
    """
