"""`chromalab train`: recipes, options, mistakes, and the resulting model."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from chromalab.api import objective_settings
from chromalab.cli.train import read_stages
from chromalab.core.errors import ConfigError
from chromalab.data.sources import SAMPLES, sample_path
from chromalab.studies import single
from chromalab.studies.recipe import Recipe, TrainingRecord
from chromalab.training.degradation_settings import OLD_PHOTOGRAPHS
from tests.data.photo_folder import make_photos
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.studies.records import PluginFact
    from chromalab.training.settings import RuntimeSettings

    from .conftest import Chromalab

TINY = (
    *("--encoder", "vgg16", "--encoder-width", "0.125", "--crop", "32", "--batch", "4", "--images", "16"),
    *("--learning-rate", "1e-3", "--device", "cpu"),
)
"""A narrow network and four steps."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep indexes and caches in the test's own folder."""
    monkeypatch.setenv("CHROMALAB_CACHE", str(tmp_path / "cache"))


class Asked(Exception):  # noqa: N818 - it stands for a training that would begin now
    """Carries what a command wanted to train."""

    def __init__(self, recipe: Recipe, runtime: RuntimeSettings) -> None:
        super().__init__()
        self.recipe, self.runtime = recipe, runtime


@pytest.fixture
def ask(chromalab: Chromalab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a runner of `chromalab train` that returns the recipe instead of training it."""
    asked: list[Asked] = []

    def stop(recipe: Recipe, out: Path, runtime: RuntimeSettings, *, plugins: list[PluginFact]) -> TrainingRecord:
        asked.append(Asked(recipe, runtime))
        raise ConfigError("nothing is trained here")

    monkeypatch.setattr(single, "run_training", stop)

    def call(*arguments: str | Path) -> Asked:
        done = chromalab("train", *arguments, "--out", tmp_path / "out")
        assert "nothing is trained here" in done.err, done.err
        return asked.pop()

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of 24 photos."""
    return make_photos(tmp_path / "photos", 24)


def test_options_override_the_recipe(ask: Any, tmp_path: Path) -> None:
    written = tmp_path / "mine.yaml"
    written.write_text(
        "name: mine\nloss: l1\nseed: 4\ntraining:\n  minutes: 60\n"
        "  stages: [{crop_px: 32, batch_size: 8, share: 1}]\n  network: {context: true, head_stride: 4}\n"
    )
    plain = ask(written).recipe
    assert plain == Recipe.parse(
        {
            "name": "mine",
            "loss": "l1",
            "seed": 4,
            "training": {
                "minutes": 60,
                "stages": [{"crop_px": 32, "batch_size": 8, "share": 1}],
                "network": {"context": True, "head_stride": 4},
            },
        },
        origin="test",
    )
    changed = ask(
        written,
        *("--loss", "l2 + l1", "--data", "a", "--data", "b=0.5", "--exclude", "*.gif", "--validation", "7"),
        *("--validate-every", "2.5", "--scale", "0.5,1", "--old-photos", "--target-chroma", "1.25"),
        *("--minutes", "2", "--stages", "64x64:0.25,96x32:0.75", "--encoder", "vgg16", "--encoder-width", "0.5"),
        *("--head-stride", "1", "--no-context", "--decoder-width", "0.75", "--color-from", "mean"),
        *("--start", "flagship", "--learning-rate", "0.01", "--optimizer", "adamw", "--schedule", "one_cycle"),
        *("--warmup", "3", "--weight-decay", "0.02", "--clip", "2", "--encoder-factor", "0.1"),
        *(
            "--frozen-share",
            "0.3",
            "--frozen-levels",
            "2",
            "--ema",
            "0.999",
            "--space",
            "yuv",
            "--seed",
            "9",
            "--balance",
        ),
    ).recipe
    assert changed == Recipe.parse(
        {
            "name": "mine",
            "loss": "l2 + l1",
            "data": ["a", "b=0.5"],
            "exclude": ["*.gif"],
            "validation": 7,
            "validate_every_min": 2.5,
            "color_space": "yuv",
            "seed": 9,
            "training": {
                "minutes": 2,
                "scale": [0.5, 1],
                "degradations": OLD_PHOTOGRAPHS.model_dump(),
                "target_chroma": 1.25,
                "stages": [
                    {"crop_px": 64, "batch_size": 64, "share": 0.25},
                    {"crop_px": 96, "batch_size": 32, "share": 0.75},
                ],
                "balance": True,
                "network": {
                    "encoder": "vgg16",
                    "width": 0.5,
                    "pretrained": False,
                    "head_stride": 1,
                    "context": False,
                    "decoder_width": 0.75,
                    "color_from": "mean",
                    "start": "flagship",
                },
                "optimizer": {
                    "name": "adamw",
                    "learning_rate": 0.01,
                    "schedule": "one_cycle",
                    "warmup_steps": 3,
                    "weight_decay": 0.02,
                    "clip_norm": 2,
                    "encoder_factor": 0.1,
                    "frozen_share": 0.3,
                    "frozen_levels": 2,
                    "ema_decay": 0.999,
                },
            },
        },
        origin="test",
    )


@pytest.mark.slow
def test_budgets_and_crops_replace_each_other(ask: Any) -> None:
    assert ask("flagship").recipe.training.stages
    by_images = ask("flagship", "--images", "500", "--crop", "48").recipe.training
    assert (by_images.images, by_images.minutes, by_images.crop_px, by_images.stages) == (500, None, 48, ())
    by_old_name = ask("baseline", "--pictures", "500").recipe.training
    assert by_old_name.images == 500
    assert not ask("flagship", "--no-old-photos").recipe.training.degradations.active


@pytest.mark.slow
def test_a_budget_of_images_replaces_one_of_minutes(ask: Any, tmp_path: Path) -> None:
    written = tmp_path / "timed.yaml"
    written.write_text("training: {minutes: 60, images: 1000}\n")
    assert ask(written).recipe.training.minutes == 60
    assert ask(written, "--images", "50").recipe.training.minutes is None


def test_runtime_settings_are_not_part_of_the_recipe(ask: Any) -> None:
    asked = ask("--precision", "fast", "--workers", "2", "--sample-every", "5", "--device", "cpu")
    runtime = asked.runtime
    assert (runtime.precision, runtime.workers, runtime.sample_every, runtime.device) == ("fast", 2, 5, "cpu")
    assert asked.recipe.name == "baseline"


def test_a_preset_sets_its_optimizer_unless_a_rate_is_given() -> None:
    assert objective_settings(None, published=True) is None
    assert objective_settings("l2", published=True) == "l2"
    assert objective_settings("pix2pix", published=True) == {"preset": "pix2pix", "optimizer": "published"}
    assert objective_settings("pix2pix", published=False) == "pix2pix"


def test_stages_are_parsed() -> None:
    assert read_stages("64x16:0.3,96x8:0.7") == [
        {"crop_px": 64, "batch_size": 16, "share": 0.3},
        {"crop_px": 96, "batch_size": 8, "share": 0.7},
    ]
    assert read_stages(None) is None


@pytest.mark.parametrize("text", ["", "64", "64x16", "64:1", "64x16:a", "64x16:0.5:0.5", "axb:1", "64x16:0.5,"])
def test_invalid_stages_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected CROPxBATCH:SHARE,..., such as"):
        read_stages(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("flagshp",), "'flagshp' is neither a file nor a preset; did you mean 'flagship'?"),
        (("missing.yaml",), "missing.yaml: there is no such file"),
        (("--stages", "64x16"), "--stages 64x16: expected CROPxBATCH:SHARE"),
        (("--stages", "64x16:0.5"), "training: stages: the shares sum to 0.5, expected 1"),
        (("--stages", "64x16:0.5,96x16:0.4"), "the shares sum to 0.9, expected 1"),
        (("--stages", "8x16:1"), "crop_px"),
        (("--scale", "0.5"), "--scale 0.5: expected the smallest and the largest share, such as 0.5,1"),
        (("--scale", "a,b"), "--scale a,b: expected the smallest and the largest share"),
        (("--scale", "1,0.5"), "scale: expected the smaller share first"),
        (("--schedule", "linear"), "--schedule linear: input should be 'constant'"),
        (("--head-stride", "2"), "--head-stride 2: input should be 1 or 4"),
        (("--color-from", "hat"), "--color-from hat: input should be"),
        (("--precision", "double"), "precision"),
        (("--data", "nowhere"), "there is no folder nowhere"),
        (("--data", "nowhere=much"), "weight 'much' in 'nowhere=much'"),
        (("--data", "nowhere=0"), "expected a number above 0"),
        (("--encoder", "resnet"), "unknown encoder 'resnet'"),
        (("--minutes", "inf"), "--minutes inf: input should be a finite number"),
        (("--color-from", "bins", "--space", "yuv"), "train in the space lab, not in yuv"),
        (("--start", "nowhere.onnx"), "the weights to start from can't be read: nowhere.onnx"),
    ],
)
def test_mistakes_print_one_line_and_write_nothing(
    chromalab: Chromalab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = chromalab("train", *arguments, "--device", "cpu", "--out", tmp_path / "out")
    assert done.code == 2, done.err
    assert message in done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out" / "training.json").exists()


@pytest.mark.slow
def test_a_schedule_for_an_unknown_term_is_refused_before_photos_are_read(chromalab: Chromalab, tmp_path: Path) -> None:
    recipe = tmp_path / "late.yaml"
    recipe.write_text("loss: l2 + l1\ntraining: {terms: {l11: {start: 0.5}}}\n")
    done = chromalab("train", recipe, "--device", "cpu", "--out", tmp_path / "out")
    assert done.code == 2
    assert done.err == "error: terms: the objective 'l2 + l1' has no term l11; did you mean 'l1'?\n"


@pytest.mark.slow
def test_a_folder_with_too_few_photos_is_refused(chromalab: Chromalab, tmp_path: Path) -> None:
    few = make_photos(tmp_path / "few", 3)
    done = chromalab("train", *TINY, "--data", few, "--out", tmp_path / "out")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: the folders are too small for a validation set")


@pytest.mark.slow
def test_from_weighted_folders_to_a_colorized_photo(chromalab: Chromalab, photos: Path, tmp_path: Path) -> None:
    more, out = make_photos(tmp_path / "more", 12, first_seed=50), tmp_path / "out"
    (photos / "broken.jpg").write_text("no photo")
    train = ("train", *TINY, "--loss", "l1", "--data", f"{photos}=2", "--data", more, "--validation", "4")
    done = chromalab(*train, "--out", out)
    assert done.code == 0, done.err
    assert "baseline: means over the validation photos" in done.out
    assert "ground truth" in done.out
    record = TrainingRecord.load(out / "training.json")
    assert record.finished
    assert record.recipe.data == ["photos=2", "more=1"]
    first, second = record.data.folders
    assert (first.n_found, first.n_usable, first.skipped) == (25, 24, {"unreadable": 1})
    assert (second.n_found, second.weight) == (12, 1)
    assert sum(record.drawn.values()) == 16
    assert record.drawn["photos"] > record.drawn["more"]

    photo = save(tmp_path / "in.png", picture(60, 90, seed=7))
    colorized = chromalab("colorize", photo, "-o", tmp_path / "o.png", "--model", out / "model.onnx")
    assert colorized.code == 0, colorized.err
    assert np.asarray(Image.open(tmp_path / "o.png")).shape == (60, 90, 3)

    again = chromalab(*train, "--out", out)
    assert again.code == 0, again.err
    assert "training baseline" not in again.err, "a finished training is not repeated"
    other = chromalab(*train, "--seed", "1", "--out", out)
    assert other.code == 2
    assert "holds a training with other settings" in other.err.splitlines()[-1]


@pytest.mark.slow
def test_a_training_of_minutes(chromalab: Chromalab, photos: Path, tmp_path: Path) -> None:
    narrow = [each for each in TINY if each not in {"--images", "16"}]
    done = chromalab("train", *narrow, "--minutes", "0.01", "--data", photos, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert 0.01 <= record["minutes"] < 0.1
    assert record["recipe"]["training"]["minutes"] == 0.01


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["baseline", "flagship"])
def test_every_shipped_recipe_runs_with_smoke_settings(
    chromalab: Chromalab, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    monkeypatch.setattr(single, "_PRIOR_CROPS", 64)
    done = chromalab("train", recipe, "--data", photos, "--smoke", "--device", "cpu", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    record = TrainingRecord.load(tmp_path / "out" / "training.json")
    assert (record.steps, record.finished) == (2, True)
    assert (tmp_path / "out" / "model.onnx").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "pair"),
    [
        (("--images", "50", "--minutes", "2"), "--minutes and --images"),
        (("--stages", "64x8:1", "--batch", "8"), "--stages and --batch"),
        (("--stages", "64x8:1", "--crop", "32"), "--stages and --crop"),
    ],
)
def test_options_that_exclude_each_other_are_refused(
    chromalab: Chromalab, tmp_path: Path, options: tuple[str, ...], pair: str
) -> None:
    done = chromalab("train", "--out", tmp_path / "out", *options)
    assert done.code == 2
    assert f"{pair} exclude each other" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_rerunning_a_finished_training_trains_nothing(chromalab: Chromalab, tmp_path: Path) -> None:
    for expected in ("", "holds this finished training; nothing was trained"):
        done = chromalab("train", "--out", tmp_path / "out", "--smoke")
        assert done.code == 0, done.err
        assert expected in done.err
    assert (tmp_path / "out" / "model.onnx").exists()


@pytest.mark.slow
def test_one_network_predicts_color_distribution_and_class(chromalab: Chromalab, tmp_path: Path) -> None:
    loss = "cross_entropy(rebalance=0.9) + 10*l1 + 0.003*class_kl"
    network = ("--head-stride", "4", "--context", "--color-from", "mean")
    done = chromalab("train", "--loss", loss, *network, "--out", tmp_path / "out", "--smoke")
    assert done.code == 0, done.err
    with (tmp_path / "out" / "train.csv").open() as file:
        row = next(csv.DictReader(file))
    assert all(float(row[name]) > 0 for name in ("cross_entropy", "l1", "class_kl"))
    photo = sample_path(next(iter(SAMPLES)))
    model = tmp_path / "out" / "model.onnx"
    done = chromalab("colorize", photo, "-o", f"{tmp_path}/colored/", "--model", model, "--samples", "2")
    assert done.code == 0, done.err
    assert len([path for path in (tmp_path / "colored").iterdir() if ".v" in path.name]) == 2
