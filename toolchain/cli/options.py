"""Options that commands share, each written once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...errors import InputError
from ...whole_files import check_input, same_file
from .console import Console

if TYPE_CHECKING:
    from ...runtimes.artifact import CardOverrides

__all__ = [
    "arch_option",
    "batch_size_option",
    "card_overrides",
    "check_suffix",
    "check_suffixes_of",
    "data_options",
    "device_option",
    "float_list",
    "folder_options",
    "foreign_options",
    "fraction_list",
    "input_argument",
    "learning_rate_option",
    "output_options",
    "output_path",
    "patience_option",
    "recover_option",
    "report_options",
    "seed_option",
    "train_images_option",
    "trust_option",
    "whole_list",
]

F = TypeVar("F", bound=Callable[..., Any])

MAX_SEED = 2**32 - 1


def report_options(function: F) -> F:
    """``--json``, ``-q`` and ``-v``; the command receives them as its ``console``."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
    @click.option("-q", "--quiet", is_flag=True, help="No progress and no report.")
    @click.option("-v", "--verbose", count=True, help="Log to stderr; -vv logs more.")
    @functools.wraps(function)
    def wrapper(*args: Any, as_json: bool, quiet: bool, verbose: int, **kwargs: Any) -> Any:
        console = Console(as_json=as_json, quiet=quiet, verbose=verbose)
        return function(*args, console=console, **kwargs)

    return wrapper  # type: ignore[return-value]


def data_options(default: str | None, help_default: str = "") -> Callable[[F], F]:
    """``--data`` and ``--data-dir``; ``help_default`` says what stands in for a None default."""
    shown = f"  [default: {default or help_default}]"

    def decorate(function: F) -> F:
        function = click.option(
            "--data-dir",
            type=click.Path(path_type=Path, file_okay=False),
            envvar="NNC_DATA_DIR",
            show_envvar=True,
            help="Where data sets lie or are put.",
        )(function)
        return click.option(
            "--data",
            metavar="NAME|PATH",
            default=default,
            help="Data set by name (fashion-mnist, fashion-mnist-mini, cifar10), an .npz file or "
            f"a folder of images.{shown}",
        )(function)

    return decorate


def device_option(*choices: str, default: str) -> Callable[[F], F]:
    """``--device``, one of ``choices``."""
    return click.option(
        "--device",
        type=click.Choice(choices),
        default=default,
        show_default=True,
        help="What to compute on.",
    )


seed_option = click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    default=0,
    show_default=True,
    help="Seed of everything that is drawn.",
)


arch_option = click.option(
    "--arch", required=True, metavar="NAME", help="mobilenet, shufflenet or alexnet."
)

batch_size_option = click.option(
    "--batch-size", type=click.IntRange(2, 65_536), help="Instead of the recipe's."
)

learning_rate_option = click.option(
    "--learning-rate",
    type=click.FloatRange(0, 100, min_open=True),
    help="Instead of the recipe's.",
)

recover_option = click.option(
    "--recover",
    type=click.Choice(["finetune", "reinit"]),
    default="finetune",
    show_default=True,
    help="Retrain from the surviving weights, or from fresh ones.",
)

patience_option = click.option(
    "--patience",
    type=click.IntRange(1, 10_000),
    help="End a retraining after so many epochs without a better validation accuracy.  "
    "[default: never]",
)


def check_suffixes_of(option: str, paths: Sequence[Path], suffix: str) -> None:
    """Raise InputError for an option that was given, where no file is of the kind it is about."""
    if not any(path.suffix.lower() == suffix for path in paths):
        raise InputError(f"{option} is about {suffix} files, and none is given; leave it out")


trust_option = click.option(
    "--trust", is_flag=True, help="Take an .engine without its sidecar: you know who made it."
)


def train_images_option(purpose: str) -> Callable[[F], F]:
    """``--train-images``; ``purpose`` says what so many serve for."""
    return click.option(
        "--train-images", type=click.IntRange(20), help=f"{purpose}  [default: all]"
    )


def input_argument(name: str) -> Callable[[F], F]:
    """A positional path; whether a file lies there is the stage's to say."""
    return click.argument(name, type=click.Path(path_type=Path))


def output_options(*, required: bool, help_default: str = "") -> Callable[[F], F]:
    """``-o`` and ``--force``; ``help_default`` says what a missing ``-o`` means."""

    def decorate(function: F) -> F:
        function = click.option(
            "--force", is_flag=True, help="Replace the output file if it exists."
        )(function)
        return click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            required=required,
            help="File to write." + (f"  [default: {help_default}]" if help_default else ""),
        )(function)

    return decorate


def folder_options(content: str) -> Callable[[F], F]:
    """``-o`` and ``--force`` of a command that writes a folder of ``content``."""

    def decorate(function: F) -> F:
        function = click.option(
            "--force", is_flag=True, help=f"Replace another {content}'s files there."
        )(function)
        return click.option(
            "-o",
            "--output",
            required=True,
            type=click.Path(path_type=Path, file_okay=False),
            help=f"Folder of the {content}.",
        )(function)

    return decorate


def output_path(source: Path, given: Path | None, suffix: str) -> tuple[Path, Path]:
    """The file to read, and the file to write: ``given``, or ``source`` with another suffix.

    ``shipped:NAME`` as the source becomes the file in the package, and its default output stands
    in the current folder. Raises InputError where ``given`` has another suffix or names the input,
    or where there is no such input to name the output by.
    """
    from ..pipeline.shipped import input_file

    path = input_file(source)
    if given is None:
        # The name of the output follows from it: what is no file has none.
        check_input(path)
        folder = Path() if path is not source else source.parent
        given = folder / (path.stem + suffix)
        if same_file(given, path):
            raise InputError(f"{path} is what this command makes; expected a file to make it of")
    check_suffix(given, "." + suffix.rpartition(".")[2])
    if same_file(given, path):
        raise InputError(f"output {given} is the input itself; choose another -o")
    return path, given


def check_suffix(output: Path, suffix: str) -> None:
    """Raise InputError unless ``output`` ends in ``suffix``."""
    if output.suffix != suffix:
        raise InputError(f"output {output}: expected a name that ends in {suffix}")


def float_list(_context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """click callback: ``0.5`` or ``0.49,0.48,0.45`` as a tuple of floats."""
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"'{value}' is no list of numbers; expected one a channel, as in 0.49,0.48,0.45",
            param=parameter,
        ) from None


def fraction_list(
    _context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    """click callback: ``0.1,0.2,0.3`` as a tuple of floats."""
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"'{value}' is no list of numbers; expected fractions, as in 0.1,0.2,0.3",
            param=parameter,
        ) from None


def whole_list(low: int, high: int) -> Callable[..., tuple[int, ...]]:
    """click callback: ``1`` or ``1,2,4`` as a tuple of whole numbers from ``low`` to ``high``."""

    def read(_context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
        try:
            numbers = tuple(int(part) for part in value.split(","))
        except ValueError:
            numbers = ()
        if not numbers or not all(low <= number <= high for number in numbers):
            raise click.BadParameter(
                f"'{value}'; expected whole numbers from {low} to {high}, as in 1 or 1,2,4",
                param=parameter,
            )
        return numbers

    return read


def foreign_options(function: F) -> F:
    """What the metadata of an ONNX file would say, for a file that nnc did not make."""
    for decorate in (
        click.option(
            "--labels",
            metavar="A,B,..|FILE",
            help="Class names in output order, or a text file with one a line.",
        ),
        click.option(
            "--image-size", type=click.IntRange(1, 8192), help="Input size in pixels a side."
        ),
        click.option("--std", callback=float_list, metavar="X[,Y,Z]", help="As --mean."),
        click.option(
            "--mean",
            callback=float_list,
            metavar="X[,Y,Z]",
            help="For a file without nnc metadata: pixel mean in 0..1, one a channel.  "
            "[default: the data set's]",
        ),
    ):
        function = decorate(function)
    return function


_OF_A_PIXEL = 10.0
"""Of pixels from 0 to 1 no mean and no deviation is anywhere near; of 0 to 255 most are beyond."""


def card_overrides(
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    image_size: int | None,
    labels: str | None,
) -> CardOverrides:
    """What `foreign_options` received, for `nnc.runtimes.artifact.read_artifact`."""
    from ...runtimes.artifact import CardOverrides

    for option, values in (("--mean", mean), ("--std", std)):
        if values is not None and max(map(abs, values)) > _OF_A_PIXEL:
            raise InputError(
                f"{option} {','.join(f'{value:g}' for value in values)} looks as if pixels were 0 "
                "to 255; nnc takes them as 0 to 1: divide by 255"
            )
    return CardOverrides(mean=mean, std=std, image_size=image_size, labels=_read_labels(labels))


def _read_labels(value: str | None) -> tuple[str, ...] | None:
    """The class names of ``--labels``: a comma list, or a text file with one a line.

    Raises InputError where a file is no UTF-8 text or names fewer than two classes.
    """
    if value is None:
        return None
    path = Path(value)
    if "," in value and not path.is_file():
        labels = tuple(part.strip() for part in value.split(","))
    else:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise InputError(
                f"--labels {value}: neither a comma list nor a readable text file ({error})"
            ) from error
        labels = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(labels) < 2 or not all(labels):
        raise InputError(f"--labels {value}: expected at least two class names")
    return labels
