"""Plugin files for tests, and a registry that forgets them afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from chromalab.losses import plugins
from chromalab.losses.registry import LOSSES

PLUGIN = '''\
from dataclasses import dataclass

from chromalab.losses.base import LossEntry, LossTerm, Parameter


@dataclass
class Note:
    text: str


class Power(LossTerm):
    """Mean |e|^power."""

    def __init__(self, power: float = 1.5) -> None:
        super().__init__()
        self.power = power

    def forward(self, batch):
        return (batch.preds - batch.target).abs().pow(self.power).mean(dim=(1, 2, 3))


ENTRIES = LossEntry(
    name="NAME",
    family="pixel",
    formula="mean |e|^power",
    source="this test",
    build=Power,
    parameters={"power": Parameter(1.5, 1.0, 4.0, "the power")},
)
'''


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what a test adds to the losses."""
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    monkeypatch.setattr(plugins, "_LOADED", {})


def write_plugin(folder: Path, name: str = "my_loss", file: str = "mine.py") -> Path:
    """Write a plugin with one loss called `name`."""
    path = folder / file
    path.write_text(PLUGIN.replace("NAME", name), encoding="utf-8")
    return path


def write_package(folder: Path, body: str, *, value: str, name: str = "my-losses") -> None:
    """Lay out an installed distribution, as pip leaves it, whose module `my_losses` has this body."""
    (folder / "my_losses.py").write_text(body, encoding="utf-8")
    facts = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(f"[chromalab.losses]\nmine = {value}\n", encoding="utf-8")
