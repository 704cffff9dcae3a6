"""``nnc prune``: a checkpoint in, a pruned and retrained checkpoint out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import BudgetError, InputError
from ..report.plain_text import count
from .console import Console
from .options import (
    batch_size_option,
    data_options,
    device_option,
    input_argument,
    learning_rate_option,
    output_options,
    output_path,
    patience_option,
    recover_option,
    report_options,
    seed_option,
    train_images_option,
)

if TYPE_CHECKING:
    from ..pruning.prune import PruneResult

__all__ = ["prune"]


def _amount(_context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """click callback: 0.5, 815K or 1.1M as a number."""
    if value is None:
        return None
    from ..pruning.targets import amount

    try:
        return amount(value)
    except InputError as error:
        raise click.BadParameter(str(error), param=parameter) from None


@click.command()
@input_argument("checkpoint")
@click.option(
    "--sensitivity",
    type=click.FloatRange(0, 1, max_open=True),
    help="Fraction pruned of every layer at the end; 0 trains a pruned checkpoint further.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A fraction for each layer: the table.json of nnc scan.",
)
@click.option(
    "--target-macs",
    metavar="X",
    callback=_amount,
    help="Prune until the exported file has at most this many MACs: 0.5 (of the whole), 4M.",
)
@click.option(
    "--target-parameters",
    metavar="X",
    callback=_amount,
    help="The same for parameters: 0.5, 815K, 1.1M. Zeros do not count with paper and element.",
)
@click.option(
    "--target-latency-ms",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="The same for milliseconds an image, measured here: ONNX Runtime on one CPU thread.",
)
@click.option(
    "--method",
    default="paper",
    show_default=True,
    metavar="paper|element|filter|channel",
    help="Filters and, where fully connected, weights; weights; filters; or whole channels, "
    "which the export removes.",
)
@click.option(
    "--criterion",
    default="",
    metavar="NAME",
    help="What goes first: l1, l2, bn-scale, taylor, fisher, obs, random or thinet.  "
    "[default: l2; element: l1]",
)
@click.option(
    "--scope",
    default="layer",
    show_default=True,
    metavar="layer|global",
    help="The same fraction of every layer, or one threshold over all.",
)
@click.option(
    "--round-to",
    type=click.IntRange(1, 1024),
    help="Keep channels in multiples of this; export by the same.  [default: 8 with channel]",
)
@click.option(
    "--iterations",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Rounds of pruning and retraining that lead there.",
)
@click.option(
    "--schedule",
    type=click.Choice(["one-shot", "linear", "cubic"]),
    default="linear",
    show_default=True,
    help="How the rounds share the way: all at once, evenly, or most of it early.",
)
@recover_option
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Epochs a round.  [default: 2]")
@patience_option
@batch_size_option
@learning_rate_option
@click.option(
    "--recipe",
    default="modern",
    show_default=True,
    metavar="modern|paper|FILE",
    help="Training recipe of the retraining.",
)
@train_images_option("Retrain on this many images, class-balanced.")
@click.option(
    "--write-anyway",
    is_flag=True,
    help="Where a target is missed, write the network all the same; still exit with 3.",
)
@data_options(None, "what the checkpoint was trained on")
@seed_option
@device_option("auto", "cpu", "cuda", default="auto")
@output_options(required=False, help_default="CHECKPOINT.pruned.safetensors")
@report_options
def prune(
    checkpoint: Path,
    table: Path | None,
    data: str | None,
    data_dir: Path | None,
    output: Path | None,
    force: bool,
    console: Console,
    **chosen: Any,
) -> None:
    """Prune a checkpoint and retrain what is left (.safetensors).

    How much goes is said by one of --sensitivity, --table and the --target options. What was pruned
    is held at zero through the retraining, and nnc export removes it. The state is kept after each
    epoch beside the output: after an interruption the same command goes on from there. CHECKPOINT
    is a file, or shipped:NAME for a network in the package.
    """
    from ...models.checkpoint import read_card
    from ...whole_files import check_output
    from ..feeds import data_for
    from ..pruning import PruneSettings
    from ..pruning.table import read_table

    checkpoint, output = output_path(checkpoint, output, ".pruned.safetensors")
    card = read_card(checkpoint)
    settings = PruneSettings.for_network(
        card.architecture, table=None if table is None else read_table(table), **chosen
    )
    check_output(output, overwrite=force)
    data_set = data_for(card, checkpoint, data, data_dir)
    from ..pruning.prune import prune as prune_network
    from ..pruning.selection import NoPartError

    try:
        result = prune_network(
            settings, checkpoint, data_set, output, progress=console.progress, overwrite=force
        )
    except NoPartError as error:
        raise InputError(f"{table}: {error}") from error
    _report(console, result)
    console.wrote(output, result.to_json())
    if result.missed:
        raise BudgetError(f"{result.missed}; {output} holds that network")


def _report(console: Console, result: PruneResult) -> None:
    left = result.nonzero_parameters / max(result.parameters, 1)
    parameters = result.compact_parameters / max(result.whole_parameters, 1)
    macs = result.compact_macs / max(result.whole_macs, 1)
    console.say(
        f"{count(result.nonzero_parameters)} of {count(result.parameters)} parameters left "
        f"({left:.1%}); validation accuracy {result.validation_accuracy:.2%}, "
        f"before {result.accuracy_before:.2%}"
    )
    console.say(
        f"exported: {count(result.compact_parameters)} parameters ({parameters:.1%} of the whole), "
        f"{count(result.compact_macs)} MACs ({macs:.1%})"
    )
    if result.latency_ms is not None:
        console.say(f"{result.latency_ms:.3g} ms an image in ONNX Runtime, one thread")
