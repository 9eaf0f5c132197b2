"""`--options FILE`: values of options from YAML, and mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chromalab.core.errors import ConfigError
from tests.cli.commands import COMMANDS, options_of, parse
from tests.e2e.conftest import Chromalab

COLORIZE = """
out: colored/
quality: 80
dry-run: true
max_megapixels: 12.5
hint: ["1,2=#ff0000", "3,4=#00ff00"]
sidecar: false
scales: 0.75
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "options.yaml"


def test_file_sets_options_by_long_name(file: Path) -> None:
    file.write_text(COLORIZE)
    params = parse("colorize", "scan.tif", "--options", file)
    assert (params["out"], params["quality"], params["dry_run"]) == ("colored/", 80, True)
    assert (params["max_megapixels"], params["sidecar"], params["scales"]) == (12.5, False, "0.75")
    assert params["hint"] == ["1,2=#ff0000", "3,4=#00ff00"]
    assert params["saturation"] == 1.0


@pytest.mark.parametrize("after", [True, False])
def test_command_line_takes_precedence(file: Path, after: bool) -> None:
    file.write_text(COLORIZE)
    explicit = ["--quality", "70", "--sidecar", "--hint", "5,6=#0000ff"]
    named = ["--options", str(file)]
    given = [*named, *explicit] if after else [*explicit, *named]
    params = parse("colorize", "scan.tif", *given)
    assert (params["quality"], params["sidecar"], params["hint"]) == (70, True, ["5,6=#0000ff"])
    assert params["max_megapixels"] == 12.5


def test_second_name_of_an_option_is_a_key(file: Path) -> None:
    file.write_text("pictures: 500\nlearning_rate: 1e-3\nold-photos: true\ndata: [a, b=0.5]\n")
    params = parse("train", "--out", "out", "--options", file)
    assert (params["images"], params["learning_rate"], params["old_photos"]) == (500, 1e-3, True)
    assert params["data"] == ["a", "b=0.5"]


def test_example_in_the_guide_is_valid(file: Path) -> None:
    guide = Path(__file__).resolve().parents[2] / "docs" / "training.md"
    section = guide.read_text(encoding="utf-8").split("## Options in a file")[1]
    file.write_text(section.split("```yaml\n")[1].split("```")[0])
    params = parse("train", "--out", "out", "--options", file)
    assert (params["data"], params["precision"], params["old_photos"]) == (["PHOTOS", "SCENES=0.5"], "fast", True)


@pytest.mark.parametrize("text", ["", "# nothing\n", "quality:\n"])
def test_file_without_values_leaves_defaults(file: Path, text: str) -> None:
    file.write_text(text)
    assert parse("colorize", "a.png", "-o", "b.png", "--options", file) == parse("colorize", "a.png", "-o", "b.png")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("qualty: 80", "unknown option 'qualty'; did you mean 'quality'?"),
        ("inputs: [a.png]", "unknown option 'inputs'"),
        ("options: other.yaml", "unknown option 'options'"),
        ("no-sidecar: true", "unknown option 'no-sidecar'; did you mean 'sidecar'?"),
        ("quality: high", "quality: "),
        ("quality: 101", "quality: "),
        ("quality: true", "quality: expected a number or text (quoted where needed), got true"),
        ("quality: [80]", "quality: expected a number or text (quoted where needed), got a list"),
        ("label: {text: a}", "label: expected a number or text (quoted where needed), got a mapping"),
        ("source_type: mine", "source_type: "),
        ("overwrite: 1", "overwrite: expected true or false, got '1'"),
        ("overwrite: [true]", "overwrite: expected true or false, got a list"),
        ("hint: 1,2=#ff0000", "hint: expected a list, because the option is repeatable; got '1,2=#ff0000'"),
        ("hint: [{x: 1}]", "hint: expected a number or text"),
        ("dry-run: true\ndry_run: false", "'dry_run' sets --dry-run a second time"),
        ("- quality", "expected option names with values, such as 'seed: 1', got a list"),
        ("80", "expected option names with values, such as 'seed: 1', got '80'"),
        ("quality: [", "it is not valid YAML"),
    ],
)
def test_mistake_in_file_is_named_with_its_place(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        parse("colorize", "a.png", "-o", "b.png", "--options", file)
    assert str(error.value).startswith(f"{file}: {message}")


def test_wrong_value_is_explained(file: Path) -> None:
    file.write_text("quality: high")
    with pytest.raises(ConfigError, match="integer"):
        parse("colorize", "a.png", "-o", "b.png", "--options", file)


@pytest.mark.parametrize("text", ["speed: 1", "queue: many", None])
def test_mistake_exits_with_2_in_one_line(chromalab: Chromalab, file: Path, text: str | None) -> None:
    if text is not None:
        file.write_text(text)
    done = chromalab("serve", "--options", file)
    assert done.code == 2
    assert done.err.startswith(f"error: {file}: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if len(options_of(command)) > 10])
def test_command_with_many_options_takes_a_file(name: str) -> None:
    assert "--options" in [text for option in options_of(COMMANDS[name]) for text in option.opts]


@pytest.mark.parametrize("name", ["colorize", "train", "serve", "evaluate", "compare run", "survey create"])
def test_documented_command_takes_a_file(name: str) -> None:
    assert any("--options" in option.opts for option in options_of(COMMANDS[name]))
