"""Every package of an extra is known, and what is missing of chromalab itself is not taken for one."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from chromalab.cli import main
from chromalab.core.extras import PACKAGES, missing_extra

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[=<>]", name)[0]).lower()


@pytest.mark.parametrize("extra", PACKAGES)
def test_the_packages_of_every_extra_are_known(extra: str) -> None:
    listed = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"][extra]
    modules = {module for modules in PACKAGES.values() for module in modules.split()}
    known = {plain(name) for module, names in packages_distributions().items() if module in modules for name in names}
    assert {plain(name) for name in listed} - {"chromalab"} <= known


def test_the_error_names_the_extra() -> None:
    error = missing_extra(ModuleNotFoundError(name="sqlalchemy.orm"))
    assert str(error) == "this command needs the package sqlalchemy: run pip install 'chromalab[survey]'"
    assert missing_extra(ModuleNotFoundError(name="chromalab.colors")) is None


def test_a_module_missing_of_chromalab_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise ModuleNotFoundError(name="chromalab.colors")

    monkeypatch.setattr(main, "app", fails)
    with pytest.raises(ModuleNotFoundError):
        main.run()
