"""All commands of the command line, and what they understand of arguments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from chromalab.cli.main import app


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command below a group. Types are `Any`, because some releases of Typer have their own Click."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for child, inner in command.commands.items():
        yield from _walk(inner, f"{name} {child}".strip())


COMMANDS = dict(_walk(typer.main.get_command(app), ""))


def options_of(command: Any) -> list[Any]:
    """Return the options of a command without its arguments."""
    return [parameter for parameter in command.params if parameter.param_type_name == "option"]


def parse(name: str, *arguments: str | Path) -> dict[str, Any]:
    """Return the parameters that a command would run with."""
    context = COMMANDS[name].make_context(name, [str(argument) for argument in arguments])
    params: dict[str, Any] = context.params
    return params
