"""The public API: light imports, documented names, and `chromalab.train` as a call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import chromalab
from chromalab import api
from chromalab.core.errors import ConfigError, UsageError
from chromalab.studies.recipe import Recipe, TrainingRecord
from chromalab.training.settings import RuntimeSettings
from tests.data.photo_folder import make_photos
from tools.pages.api import api_page, public_entries, public_packages

HEAVY = {"torch", "numpy", "onnxruntime", "pyvips", "pydantic", "scipy"}
ENTRIES = [(package.__name__, entry) for package in public_packages() for entry in public_entries(package)]


@pytest.mark.parametrize("package", ["chromalab", "chromalab.colorization", "chromalab.data"])
def test_import_loads_no_heavy_library(package: str) -> None:
    script = f"import sys, {package}; dir({package}); print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("package", public_packages(), ids=lambda package: package.__name__)
def test_public_names_exist_once(package: Any) -> None:
    assert len(set(package.__all__)) == len(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        package.nothing  # noqa: B018


@pytest.mark.parametrize(("package", "entry"), ENTRIES, ids=lambda value: getattr(value, "name", value))
def test_every_public_name_has_a_summary(package: str, entry: Any) -> None:
    assert entry.summary.endswith("."), f"{package}.{entry.name} needs a docstring whose summary ends with a period"


def test_api_page_lists_every_public_name() -> None:
    sections = dict(section.split("`\n", 1) for section in api_page().split("## `")[1:])
    for package, entry in ENTRIES:
        assert f"| `{entry.name}" in sections[package]
    assert "`train(recipe='baseline', *, out, " in sections["chromalab"]
    assert "-> TrainingRecord` | Train one network " in sections["chromalab"]
    assert "| `SAMPLES` | The sample photos by name" in sections["chromalab.data"]


def test_evaluate_scores_folders(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 2)
    result = chromalab.evaluate(photos, photos, metrics=["mae"], device="cpu", threads=1)
    assert result.record.metrics["mae"].mean == 0
    assert result.record.n_photos == 2


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """Return the recipes that `chromalab.train` would have trained."""
    recipes: list[Recipe] = []
    monkeypatch.setattr(api, "run_training", lambda recipe, *_, **__: recipes.append(recipe))
    return recipes


def test_arguments_of_train_replace_the_recipe(trained: list[Recipe], tmp_path: Path) -> None:
    chromalab.train(data=tmp_path, images=50, settings={"seed": 3, "training.crop_px": 48}, out=tmp_path)
    chromalab.train("flagship", data=["a=0.5", tmp_path], images=50, out=tmp_path)
    chromalab.train("flagship", settings={"training.batch_size": 4}, out=tmp_path)
    chromalab.train(Recipe(title="mine"), minutes=2, out=tmp_path)
    baseline, by_images, by_batch, own = trained
    assert (baseline.name, baseline.data, baseline.seed) == ("baseline", [str(tmp_path)], 3)
    assert (baseline.training.images, baseline.training.crop_px) == (50, 48)
    assert by_images.data == ["a=0.5", str(tmp_path)]
    assert by_images.training.minutes is None
    assert by_images.training.stages
    assert not by_batch.training.stages
    assert (own.title, own.training.minutes) == ("mine", 2)


def test_preset_of_a_loss_brings_its_published_optimizer(trained: list[Recipe], tmp_path: Path) -> None:
    chromalab.train(loss="pix2pix", out=tmp_path)
    chromalab.train(loss="pix2pix", settings={"training.optimizer.learning_rate": 1e-3}, out=tmp_path)
    published, own_rate = trained
    assert not isinstance(published.loss, str)
    assert (published.loss.preset, published.loss.optimizer) == ("pix2pix", "published")
    assert own_rate.loss == "pix2pix"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"images": 10, "minutes": 1.0}, UsageError, "images=10 and minutes=1 are two budgets"),
        ({"recipe": "flagshop"}, ConfigError, "flagship"),
        ({"settings": {"training.crop": 32}}, ConfigError, "this call: unknown key 'training.crop'"),
    ],
)
def test_wrong_arguments_of_train(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        chromalab.train(out="never", **arguments)


def test_train_writes_a_model_that_colorizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_CACHE", str(tmp_path / "cache"))
    photos = make_photos(tmp_path / "photos", 20)
    network = {"encoder": "vgg16", "pretrained": False, "width": 0.125}
    settings = {"training.network": network, "training.batch_size": 4, "training.crop_px": 32, "validation": 4}
    runtime = RuntimeSettings(device="cpu", threads=1, tensorboard=False)
    out = tmp_path / "out"
    record = chromalab.train(data=photos, loss="l1", images=8, settings=settings, runtime=runtime, out=out)
    assert record.finished
    assert record.formula == "l1"
    assert record == TrainingRecord.load(out / "training.json")
    assert chromalab.colorize(next(photos.iterdir()), model=str(out / "model.onnx")).ndim == 3
