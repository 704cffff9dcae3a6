"""The ``nnc`` command: a table of commands loaded when used, and every ending it can have."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click

from ... import __version__
from ...errors import NncError
from ...whole_files import disk_full
from ..report.plain_text import one_line

__all__ = ["COMMANDS", "Command", "cli", "run_command_line"]

BROKEN_PIPE = 141
INTERRUPTED = 130
TERMINATED = 143


@dataclass(frozen=True)
class Command:
    """One command: where it lives, its line in ``nnc --help``, what an interruption leaves."""

    target: str
    help: str
    interrupted: str = "nothing half-written was left behind"


COMMANDS: dict[str, Command] = {
    "train": Command(
        "train:train",
        "Train a network on a data set.",
        "the same command goes on after the last finished epoch",
    ),
    "prune": Command(
        "prune:prune",
        "Prune a checkpoint and retrain what is left.",
        "the same command goes on after the last finished epoch",
    ),
    "scan": Command(
        "scan:scan",
        "Measure accuracy against the fraction pruned.",
        "the same command goes on with what is left to measure",
    ),
    "export": Command("export:export", "Write a checkpoint as an ONNX file."),
    "compact": Command(
        "compact:compact", "Remove zeroed channels and channel shuffles from an ONNX file."
    ),
    "quantise": Command("quantise:quantise", "Make an int8 file of an ONNX file."),
    "bench": Command("bench:bench", "Measure accuracy, size, latency and memory of files."),
    "compare": Command("compare:compare", "Compare two saved results of bench."),
    "report": Command("report:report", "Make a page, a table or data of results."),
    "run": Command(
        "run:run",
        "Run a recipe: every stage from training to the table.",
        "the same command goes on after the last finished stage",
    ),
    "experiment": Command(
        "experiment:experiment",
        "Run one of the paper's studies: networks, table, figure.",
        "the same command goes on after the last finished network",
    ),
    "inspect": Command("inspect:inspect", "Show what an artefact says of itself."),
    "doctor": Command("doctor:doctor", "Show what this machine can do, and what it lacks."),
}

ALIASES = {"quantize": "quantise"}

# The module a failed import names, and the extra that brings it.
EXTRAS = {
    "torch": "train",
    "torchvision": "train",
    "onnxscript": "train",
    "matplotlib": "train",
    "onnxruntime": "cpu",
}


class _Terminated(KeyboardInterrupt):
    """SIGTERM, made to unwind like Ctrl-C so that temporary files and workers are cleared away."""


class _LazyGroup(click.Group):
    """Commands by name from the table; a command's module is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if entry is None:
            return None
        module, _, function = entry.target.partition(":")
        command: click.Command = getattr(
            importlib.import_module(f".{module}", __package__), function
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and name not in ALIASES and not name.startswith("-"):
            near = difflib.get_close_matches(name.lower(), [*COMMANDS, *ALIASES], n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"expected {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command '{name}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        spelled = {name: alias for alias, name in ALIASES.items()}
        rows = []
        for name, entry in COMMANDS.items():
            also = f" (also spelled {spelled[name]})" if name in spelled else ""
            rows.append((name, entry.help + also))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nnc")
def cli() -> None:
    """From a trained vision network to a small, fast, measured file.

    `nnc COMMAND --help` says what a command takes. Results go to stdout, progress and errors to
    stderr. Exit codes: 0 done, 1 failed, 2 bad usage or input, 3 a budget missed, 4 something
    this machine lacks.
    """


def run_command_line(arguments: Sequence[str]) -> int:
    """Run ``nnc ARGUMENTS`` and return its exit code; only a bug comes out as an exception."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        _never_fail_to_encode(stream)
    _terminate_like_an_interrupt()
    try:
        code = _invoke(list(arguments) or ["--help"])
        sys.stdout.flush()
    except click.UsageError as error:
        return _fail(_usage(error), 2)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except NncError as error:
        return _fail(str(error), error.exit_code)
    except _Terminated:
        return _stop("terminated", arguments, TERMINATED)
    except (KeyboardInterrupt, click.Abort):
        return _stop("interrupted", arguments, INTERRUPTED)
    except BrokenPipeError:
        _drop_stdout()
        return BROKEN_PIPE
    except ImportError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _fail(
            f"this needs the package {(error.name or '').partition('.')[0]}, which is not "
            f'installed; add it with: pip install "nnc-toolchain[{extra}]" '
            f'(from a clone: pip install -e ".[{extra}]")',
            4,
        )
    except MemoryError:
        return _fail("out of memory; use smaller images, a smaller batch or fewer samples", 1)
    except OSError as error:
        if not disk_full(error):
            raise
        _drop_stdout()
        return _fail("no space left on the disk; free some and run the command again", 1)
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        return _fail(f"out of memory: {str(error).splitlines()[0]}", 1)
    return code


def _invoke(arguments: list[str]) -> int:
    try:
        with cli.make_context("nnc", arguments) as context:
            cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    return 0


def _usage(error: click.UsageError) -> str:
    message = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption):
        message = f"no option '{error.option_name}'{_nearest_option(error)}"
    path = error.ctx.command_path if error.ctx else "nnc"
    return f"{message} (see {path} --help)"


def _nearest_option(error: click.NoSuchOption) -> str:
    """The likeliest option alone; click's own message lists all that come near."""
    parameters = error.ctx.command.params if error.ctx else []
    known = [name for parameter in parameters for name in parameter.opts if name.startswith("--")]
    near = difflib.get_close_matches(error.option_name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _fail(message: str, code: int) -> int:
    with contextlib.suppress(OSError):
        click.echo(f"nnc: error: {one_line(message)}", err=True)
    return code


def _stop(word: str, arguments: Sequence[str], code: int) -> int:
    name = next((a for a in arguments if not a.startswith("-")), "")
    entry = COMMANDS.get(ALIASES.get(name, name))
    leaves = entry.interrupted if entry else "nothing was done"
    with contextlib.suppress(OSError):
        click.echo(f"nnc: {word}; {leaves}", err=True)
    return code


def _is_out_of_memory(error: RuntimeError) -> bool:
    """PyTorch has a class of its own for CUDA and a bare RuntimeError for CPU memory."""
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)


def _terminate_like_an_interrupt() -> None:
    def stop(_signal: int, _frame: Any) -> None:
        raise _Terminated

    with contextlib.suppress(ValueError):  # not the main thread, as in an embedded call
        signal.signal(signal.SIGTERM, stop)


def _open_closed_streams() -> None:
    """Streams closed by the caller (``>&-``) lead nowhere, and no file takes their descriptors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _never_fail_to_encode(stream: IO[str]) -> None:
    """A file name or table sign that the terminal's encoding lacks must not end a run."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _drop_stdout() -> None:
    """Point stdout nowhere, so that the interpreter's last flush cannot fail once more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
