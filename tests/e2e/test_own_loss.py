"""The example of docs/own_loss.md, run as a reader would."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chromalab.core.files import sha256_file
from chromalab.losses import plugins
from chromalab.losses.registry import LOSSES
from chromalab.studies.recipe import TrainingRecord
from tests.losses.plugin_files import own_registry

from .conftest import Chromalab

__all__ = ["own_registry"]

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "own_loss.md"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the example to a file; forget it afterwards."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    path = tmp_path / "my_loss.py"
    path.write_text(code)
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    monkeypatch.setattr(plugins, "_LOADED", {})
    return path


@pytest.mark.slow
def test_the_example_satisfies_the_contract(chromalab: Chromalab, plugin: Path, tmp_path: Path) -> None:
    picture = tmp_path / "field.png"
    done = chromalab("loss", "check", "bright_l1", "--plugin", plugin, "--picture", picture)
    assert done.code == 0, done.err + done.out
    assert picture.stat().st_size > 10_000
    rows = json.loads(chromalab("list", "losses", "--plugin", plugin, "--json").out)
    assert rows[-1]["name"] == "bright_l1"


@pytest.mark.slow
def test_the_example_trains_and_is_recorded(chromalab: Chromalab, plugin: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = chromalab("train", "--loss", "bright_l1(power=2) + 0.1*ssim", "--plugin", plugin, "--out", out, "--smoke")
    assert done.code == 0, done.err
    (fact,) = TrainingRecord.load(out / "training.json").plugins
    assert (fact.name, fact.losses, fact.sha256) == ("my_loss.py", ["bright_l1"], sha256_file(plugin))
    LOSSES._entries.pop("bright_l1")
    exported = chromalab("export", out, "-o", tmp_path / "mine.onnx")
    assert exported.code == 0, "an export needs no plugin: " + exported.err


THREE_CHANNELS = """
from chromalab.losses import LossEntry, LossTerm
class Blue(LossTerm):
    def forward(self, batch): return (batch.preds[:, 2] - batch.target[:, 2]).abs().mean(dim=(1, 2))
def unbuildable(): raise OSError("no file")
ENTRIES = [
    LossEntry(name="blue", family="pixel", formula="mean |e_b|", source="this test", build=Blue),
    LossEntry(name="unbuildable", family="pixel", formula="f", source="this test", build=unbuildable),
]
"""


@pytest.mark.slow
@pytest.mark.usefixtures("own_registry")
def test_losses_that_fail_are_reported_without_a_traceback(chromalab: Chromalab, tmp_path: Path) -> None:
    path = tmp_path / "blue.py"
    path.write_text(THREE_CHANNELS)
    picture = tmp_path / "field.png"
    done = chromalab("loss", "check", "blue", "--space", "rgb", "--plugin", path, "--picture", picture)
    assert "no gradient field: it is drawn in the space lab, where the loss failed: " in done.out
    assert done.code == 0, done.err + done.out
    assert not picture.exists()
    shown = chromalab("loss", "show", "unbuildable", "--plugin", path)
    assert shown.code == 0, shown.err
    trained = chromalab("train", "--loss", "unbuildable", "--plugin", path, "--out", tmp_path / "out", "--smoke")
    assert trained.code == 2
    assert trained.err.endswith("blue.py, line 5: OSError: no file\n")
    assert trained.err.count("\n") == 1


def test_every_loss_is_listed_in_its_order(chromalab: Chromalab) -> None:
    names = [row["name"] for row in json.loads(chromalab("list", "losses", "--json").out)]
    expected = """l1 l2 huber charbonnier delta_e_76 delta_e_2000 gradient_l1 laplacian_pyramid cross_entropy class_kl
        gaussian_mixture sliced_wasserstein vgg_feature style lpips_vgg lpips_alex lpips_squeeze ssim ms_ssim
        perceptual_lite0 contextual gan lsgan hinge wgan wgan_gp colorfulness total_variation gamut"""
    assert names == expected.split()
