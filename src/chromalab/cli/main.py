"""The command `chromalab`: its subcommands, and how it prints errors."""

from __future__ import annotations

import errno
import sys
from inspect import getdoc
from typing import Annotated

import typer

from chromalab.cli import (
    colorize,
    compare,
    data,
    evaluate,
    export,
    listing,
    loss,
    metrics,
    serve,
    survey,
    train,
    weights,
)
from chromalab.cli.options import option
from chromalab.core.errors import ChromalabError
from chromalab.core.extras import missing_extra
from chromalab.version import __version__

app = typer.Typer(
    name="chromalab",
    help="Colorize photos and films; train, compare and evaluate colorizers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("colorize")(colorize.colorize)
app.command("serve")(serve.serve)
app.command("train")(train.train)
app.command("export")(export.export)
app.add_typer(compare.app, name="compare")
app.command("evaluate")(evaluate.evaluate)
app.add_typer(metrics.app, name="metrics")
app.add_typer(survey.app, name="survey")
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")
app.add_typer(listing.app, name="list")
app.add_typer(loss.app, name="loss")


def _join_lines(commands: typer.Typer) -> None:
    """Let the terminal wrap the help of commands, whose docstrings are wrapped for the source."""
    for command in commands.registered_commands:
        paragraphs = (getdoc(command.callback) or "").split("\n\n")
        command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            _join_lines(group.typer_instance)


_join_lines(app)

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
INTERRUPTED = 130


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"chromalab {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, option(None, "", "Show the version and exit.", "--version", callback=_show_version,
        is_eager=True)] = False,
) -> None:  # fmt: skip
    pass


def run() -> None:
    """Run the command line; an error for users becomes one line on standard error and an exit code."""
    try:
        app()
    except ChromalabError as error:
        _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        _fail(str(missing), missing.exit_code)
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        _fail("the disk is full; free some space and rerun the same command, which keeps finished results", 1)
    except KeyboardInterrupt:
        _fail("interrupted; rerun the same command to resume", INTERRUPTED)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    sys.exit(code)
