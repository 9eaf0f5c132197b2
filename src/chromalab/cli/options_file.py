"""`--options FILE`: values of a command's options from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chromalab.core.errors import ConfigError, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMAND_LINE_ONLY = {"--help", "--options"}


def read_options_file(context: typer.Context, path: Path | None) -> None:
    """Make the values in a YAML file the defaults of the command that is being parsed.

    Raises:
        ConfigError: the file is missing or is not a mapping, or a key or a value does not fit the command.
    """
    if path is None or context.resilient_parsing:
        return
    from chromalab.core.records import read_yaml

    entries = read_yaml(path)
    if entries is None:
        return
    if not isinstance(entries, dict):
        raise ConfigError(f"{path}: expected option names with values, such as 'seed: 1', got {_described(entries)}")
    context.default_map = {**(context.default_map or {}), **_values(context, entries, path)}


def _values(context: typer.Context, entries: Mapping[object, object], path: Path) -> dict[str, object]:
    """Return the values by parameter, as texts where the command line has texts."""
    options = _options(context.command)
    found: dict[str, object] = {}
    for key, value in entries.items():
        name = str(key).replace("_", "-")
        if name not in options:
            raise ConfigError(f"{path}: unknown option '{key}'{suggestion(name, options)}")
        option = options[name]
        if option.name in found:
            raise ConfigError(f"{path}: '{key}' sets --{name} a second time; keep one of the two")
        if value is not None:
            found[option.name] = _checked(context, option, value, f"{path}: {key}")
    return found


def _options(command: Any) -> dict[str, Any]:
    """Return the options of a command by their long names without dashes in front."""
    return {
        name.removeprefix("--"): parameter
        for parameter in command.params
        if parameter.param_type_name == "option"
        for name in parameter.opts
        if name.startswith("--") and name not in _COMMAND_LINE_ONLY
    }


def _checked(context: typer.Context, option: Any, value: object, place: str) -> object:
    """Return a value as the command line would give it, once the option has accepted it."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise ConfigError(f"{place}: expected true or false, got {_described(value)}")
        return value
    if option.multiple:
        if not isinstance(value, list):
            raise ConfigError(f"{place}: expected a list, because the option is repeatable; got {_described(value)}")
        text: object = [_text(each, place) for each in value]
    else:
        text = _text(value, place)
    try:
        option.process_value(context, text)
    except typer.BadParameter as error:
        raise ConfigError(f"{place}: {error.message}") from error
    return text


def _text(value: object, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError(f"{place}: expected a number or text (quoted where needed), got {_described(value)}")
    return str(value)


def _described(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    kinds = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return kinds.get(type(value), f"'{value}'")
