"""`--help` of every command: panels, widths and wording."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.commands import COMMANDS, options_of
from tests.e2e.conftest import Chromalab

OPTIONS = [(name, option) for name, command in COMMANDS.items() for option in options_of(command)]
MANY = [name for name, command in COMMANDS.items() if len(options_of(command)) > 10]
IDS = [f"{name} {option.opts[0]}" for name, option in OPTIONS]


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=IDS)
def test_option_has_a_sentence_and_a_placeholder(name: str, option: Any) -> None:
    first, last = option.help[0], option.help[-1]
    assert first.isupper() or first.isdigit() or option.help.startswith("auto:"), f"{name}: {option.help}"
    assert last == ".", f"{name}: {option.help}"
    assert "[" not in option.help, f"{name}: Rich takes brackets for markup: {option.help}"
    assert option.metavar is not None
    assert (option.metavar == "") == option.is_flag


@pytest.mark.parametrize("name", COMMANDS)
def test_paragraphs_of_help_are_wrapped_by_the_terminal(name: str) -> None:
    paragraphs = COMMANDS[name].help.split("\n\n")
    assert all(paragraph and "\n" not in paragraph for paragraph in paragraphs)


@pytest.mark.parametrize("name", MANY)
def test_many_options_are_grouped(name: str) -> None:
    general = {"--options", "--smoke", "--json"}
    loose = [option.opts[0] for option in options_of(COMMANDS[name]) if option.rich_help_panel is None]
    assert set(loose) <= general
    assert len({option.rich_help_panel for option in options_of(COMMANDS[name])}) > 2


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_not_truncated(chromalab: Chromalab, monkeypatch: pytest.MonkeyPatch, name: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    done = chromalab(*name.split(), "--help")
    assert done.code == 0, done.err
    assert "…" not in done.out
    assert max(len(line) for line in done.out.splitlines()) <= width
    for option in options_of(COMMANDS[name]):
        assert f"{option.opts[0]} " in done.out.replace(",", " "), option.opts
