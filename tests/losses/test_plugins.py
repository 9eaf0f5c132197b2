"""Losses from outside: what is loaded, what is refused, and that a refusal leaves nothing behind."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
import torch

from chromalab.color.spaces import SPACES
from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.python_file import assignment_line
from chromalab.losses.base import ColorBatch
from chromalab.losses.compose import build
from chromalab.losses.pixel import L1
from chromalab.losses.plugins import PluginRecord, load_plugin, load_plugins, plugin_of
from chromalab.losses.registry import LOSSES
from tests.losses.plugin_files import PLUGIN, own_registry, write_package, write_plugin

__all__ = ["own_registry"]

pytestmark = pytest.mark.usefixtures("own_registry")


def test_a_file_adds_its_losses_to_the_formulas(tmp_path: Path) -> None:
    path = write_plugin(tmp_path)
    record = load_plugin(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert record == PluginRecord(name="mine.py", sha256=sha256, losses=("my_loss",))
    assert build("l2 + 0.5*my_loss(power=2)").formula == "l2 + 0.5*my_loss(power=2)"
    assert plugin_of("my_loss") == record
    assert plugin_of("l2") is None


def test_the_record_is_kept_as_json(tmp_path: Path) -> None:
    record = load_plugin(write_plugin(tmp_path))
    record.save(tmp_path / "record.json")
    assert PluginRecord.load(tmp_path / "record.json") == record


def test_the_same_file_again_is_not_run_again(tmp_path: Path) -> None:
    path, ran = write_plugin(tmp_path), tmp_path / "ran"
    path.write_text(
        PLUGIN.replace("NAME", "my_loss") + f"with open({str(ran)!r}, 'a') as f:\n    f.write('x')\n", encoding="utf-8"
    )
    copy = tmp_path / "copy.py"
    copy.write_bytes(path.read_bytes())
    assert load_plugin(path) == load_plugin(path) == load_plugin(copy)
    assert ran.read_text() == "x"
    assert load_plugins([path, copy, path]) == [load_plugin(path)]


def test_no_cache_is_left_beside_the_file(tmp_path: Path) -> None:
    load_plugin(write_plugin(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_sequence_of_entries_keeps_its_order(tmp_path: Path) -> None:
    path = write_plugin(tmp_path, "zebra")
    path.write_text(
        path.read_text() + "from dataclasses import replace\nENTRIES = [ENTRIES, replace(ENTRIES, name='aardvark')]\n"
    )
    assert load_plugin(path).losses == ("zebra", "aardvark")
    assert list(LOSSES)[-2:] == ["zebra", "aardvark"]


def test_a_taken_name_is_refused_and_both_owners_are_named(tmp_path: Path) -> None:
    load_plugin(write_plugin(tmp_path))
    second = write_plugin(tmp_path, "my_loss", "other.py")
    second.write_text(second.read_text() + "\n")
    with pytest.raises(ConfigError, match=r"other\.py has a loss named 'my_loss', but the plugin mine\.py has one"):
        load_plugin(second)
    with pytest.raises(ConfigError, match=r"third\.py has a loss named 'l2', but chromalab itself has one"):
        load_plugin(write_plugin(tmp_path, "l2", "third.py"))


@pytest.mark.parametrize("name", ["perceptual", "ddcolor"])
def test_a_word_for_another_objective_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"mine\.py has a loss named '{name}', which stands for another"):
        load_plugin(write_plugin(tmp_path, name))
    assert name not in LOSSES


ENTRY = "LossEntry(name='ok', family='pixel', formula='f', source='s', build=L1)"
HEAD = "from chromalab.losses.base import LossEntry\nfrom chromalab.losses.pixel import L1\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x = (\n", r"mine\.py, line 1: SyntaxError: '\(' was never closed"),
        ("\n\n1 / 0\n", r"mine\.py, line 3: ZeroDivisionError: division by zero$"),
        ("import sys\nsys.exit('no')\n", r"mine\.py, line 2: SystemExit: no"),
        ("import nowhere\n", r"mine\.py, line 1: ModuleNotFoundError: No module named 'nowhere'"),
        ("def f():\n    raise ValueError('a\\nb')\nf()\n", r"mine\.py, line 2: ValueError: a b$"),
        ("\0", r"mine\.py: \w+: source code string cannot contain null bytes"),
        ("x = 1\n", r"mine\.py has no ENTRIES at its top level; define it as a LossEntry"),
        ("\nENTRIES = 3\n", r"mine\.py, line 2: ENTRIES: expected a LossEntry or a sequence of them, got int 3"),
        ("ENTRIES = ()\n", r"line 1: ENTRIES: expected a LossEntry or a sequence of them, got tuple \(\)"),
        ("ENTRIES = ['l2']\n", r"line 1: ENTRIES: expected LossEntry objects, got str 'l2'"),
        (f"{HEAD}ENTRIES = [{ENTRY}, {ENTRY}]\n", r"line 3: ENTRIES: two losses are named 'ok'"),
        (f"{HEAD}ENTRIES = {ENTRY.replace('ok', 'Not Ok')}\n", r"must be in snake_case, not 'Not Ok'"),
        (f"{HEAD}ENTRIES = {ENTRY.replace('pixel', 'color_')}\n", r"unknown family 'color_'; did you mean 'color'\?"),
        (f"{HEAD}ENTRIES = {ENTRY[:-1]}, needs='critic')\n", r"ok: needs must be a tuple of names, not str 'critic'"),
        (f"{HEAD}ENTRIES = {ENTRY[:-1]}, needs=('vgg61',))\n", r"ok: unknown need 'vgg61'; did you mean 'vgg16'"),
        (f"{HEAD}ENTRIES = {ENTRY[:-1]}, parameters={{'a': 1}})\n", r"'a' must be a Parameter or Choice, not int 1"),
        (f"{HEAD}ENTRIES = {ENTRY[:-1]}, parameters=3)\n", r"ok: parameters must be a dict by name, not int 3"),
        (f"{HEAD}ENTRIES = {ENTRY.replace('build=L1', 'build=3')}\n", r"build must be .* not int 3"),
        (f"{HEAD}ENTRIES = {ENTRY.replace(chr(39) + 's' + chr(39), '3')}\n", r"ok: source must be a text, not int 3"),
        (f"{HEAD}ENTRIES = {ENTRY[:-1]}, color=3)\n", r"line 3: TypeError: .*unexpected keyword argument 'color'"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, body: str, message: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(body, encoding="utf-8")
    before, modules = list(LOSSES), set(sys.modules)
    with pytest.raises(ConfigError, match=message) as caught:
        load_plugin(path)
    assert "\n" not in str(caught.value)
    assert list(LOSSES) == before
    assert not {name for name in set(sys.modules) - modules if "plugin" in name}


def test_no_loss_is_added_if_one_name_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"{HEAD}ENTRIES = [{ENTRY}, {ENTRY.replace('ok', 'l1')}]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="has a loss named 'l1'"):
        load_plugin(path)
    assert "ok" not in LOSSES


@pytest.mark.parametrize("name", ["gone.py", "."])
def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: .*; expected a Python file"):
        load_plugin(tmp_path / name)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a Python file, whose name ends in \.py"):
        load_plugin(write_plugin(tmp_path, file="mine.txt"))


def test_a_mended_file_loads_in_the_same_process(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("1 / 0\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        load_plugin(path)
    assert load_plugin(write_plugin(tmp_path)).losses == ("my_loss",)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "my_losses", raising=False)
    return folder


def test_installed_plugins_come_first(site: Path, tmp_path: Path) -> None:
    body = PLUGIN.replace("NAME", "installed_loss")
    write_package(site, body, value="my_losses:ENTRIES")
    installed, file = load_plugins([write_plugin(tmp_path)])
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    assert installed == PluginRecord(name="my-losses 1.2", sha256=sha256, losses=("installed_loss",))
    assert file.losses == ("my_loss",)
    assert load_plugins() == [installed]


def test_several_installed_plugins_come_in_the_order_of_their_names(site: Path) -> None:
    write_package(site, PLUGIN.replace("NAME", "zebra"), value="my_losses:ENTRIES", name="b-losses")
    (site / "other.py").write_text(PLUGIN.replace("NAME", "aardvark"))
    facts = site / "a_losses-3.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: a-losses\nVersion: 3\n")
    (facts / "entry_points.txt").write_text("[chromalab.losses]\nz = other:ENTRIES\n")
    assert [record.name for record in load_plugins()] == ["a-losses 3", "b-losses 1.2"]


@pytest.mark.parametrize(
    ("body", "value", "reason"),
    [
        ("1 / 0\n", "my_losses:ENTRIES", "ZeroDivisionError"),
        ("ENTRIES = 3\n", "my_losses:ENTRIES", "got int 3"),
        ("ENTRIES = 3\n", "my_losses:NONE", "AttributeError"),
        ("ENTRIES = 3\n", "nowhere:ENTRIES", "No module named 'nowhere'"),
    ],
)
def test_a_broken_installed_plugin_is_a_warning(
    site: Path, capsys: pytest.CaptureFixture[str], body: str, value: str, reason: str
) -> None:
    write_package(site, body, value=value)
    assert load_plugins() == []
    warning = capsys.readouterr().err
    assert warning.startswith("warning: the installed plugin my-losses 1.2")
    assert reason in warning
    assert warning.count("\n") == 1


@pytest.mark.parametrize("asked", ["my-losses", "mine"])
def test_a_broken_installed_plugin_that_is_asked_for_is_an_error(site: Path, asked: str) -> None:
    write_package(site, "1 / 0\n", value="my_losses:ENTRIES")
    with pytest.raises(ConfigError, match=r"my-losses 1\.2 .* cannot be loaded: .*line 1: ZeroDivisionError"):
        load_plugins([Path(asked)])


def test_the_value_of_a_name_is_found_where_it_is_given() -> None:
    assert assignment_line(b"ENTRIES = 1\n\nENTRIES += (2,)\n", "ENTRIES") == 3
    assert assignment_line(b"if True:\n    ENTRIES = 1\n", "ENTRIES") is None


FAILING = """
from chromalab.losses.base import LossEntry, LossTerm
class Built(LossTerm):
    def forward(self, batch): RESULT
def build(): BUILD
ENTRIES = LossEntry(name="failing", family="pixel", formula="f", source="s", build=build)
"""


@pytest.mark.parametrize(
    ("built", "result", "message"),
    [
        ("raise ValueError('oops')", "pass", r"of the plugin mine\.py failed: mine\.py, line 5: ValueError: oops$"),
        ("return 3", "pass", r"the loss failing: build returned a int instead of a LossTerm$"),
        ("return Built()", "raise ValueError('oops')", r"mine\.py failed: mine\.py, line 4: ValueError: oops$"),
        ("return Built()", "return batch.preds.flatten(9)", r"mine\.py failed: mine\.py, line 4: IndexError: "),
        ("return Built()", "return 1.5", r"the loss failing returned a float instead of a tensor with one value per"),
    ],
)
def test_a_loss_that_fails_in_a_training_is_an_error_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: str, result: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(FAILING.replace("BUILD", built).replace("RESULT", result), encoding="utf-8")
    load_plugin(Path("mine.py"))
    photo = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    batch = ColorBatch.of(SPACES["rgb"], photo, photo)
    with pytest.raises(UsageError, match=message):
        build("failing + l1")(batch)


def test_an_error_in_a_loss_of_chromalab_is_no_mistake_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(L1, "forward", lambda self, batch: 1 / 0)
    photo = torch.zeros(1, 3, 8, 8)
    with pytest.raises(ZeroDivisionError):
        build("l1")(ColorBatch.of(SPACES["rgb"], photo, photo))
