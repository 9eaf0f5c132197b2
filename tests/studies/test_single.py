"""One training from a recipe: its record, validations, resumption and export, on a narrow network."""

from __future__ import annotations

import csv
import errno
import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chromalab.color.bins import PriorRecord, rebalancing_weights
from chromalab.core.errors import ConfigError, OutputError, UsageError
from chromalab.losses.plugins import load_plugins
from chromalab.losses.registry import LOSSES
from chromalab.studies import single
from chromalab.studies.networks import export_run
from chromalab.studies.objectives import resolve_objective
from chromalab.studies.opening import plugin_facts
from chromalab.studies.recipe import (
    Recipe,
    TrainingRecord,
    Validation,
    best_of,
    load_recipe,
    smoke,
    with_settings,
    without_paths,
)
from chromalab.studies.records import PluginFact
from chromalab.studies.single import VALIDATION_METRICS, locked, open_photographs, run_training, spread
from chromalab.training.build import build_colorizer
from chromalab.training.checkpoints import BEST, CHECKPOINT, MODEL, drawn_before, load_model, weights_sha256
from chromalab.training.export import colorizer_graph
from chromalab.training.presets import PRESETS
from chromalab.training.settings import RuntimeSettings, TrainingSettings
from chromalab.weights.colorizers import ColorizerSpec
from tests.data.photo_folder import make_photos
from tests.losses.plugin_files import own_registry

if TYPE_CHECKING:
    from chromalab.data.photoset import Photographs
    from chromalab.evaluation.scoring import Scores
    from chromalab.nets.unet import Colorizer
    from chromalab.training.job import Spent

__all__ = ["own_registry"]

RUNTIME = RuntimeSettings(device="cpu", threads=1, log_every=1, checkpoint_every_s=1e9, tensorboard=False)
FILES = {
    "training.json", "skipped.csv", "train.csv", "validation.csv", "metrics.csv", "best.safetensors",
    "model.safetensors", "model.onnx", "model.yaml", "samples",
}  # fmt: skip


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the indexes of the folders in the test's own folder."""
    monkeypatch.setenv("CHROMALAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Return a recipe of six steps on two folders of photos, validated after every step."""
    first, second = make_photos(tmp_path / "first", 20), make_photos(tmp_path / "second", 20, first_seed=100)
    return Recipe.parse(
        {
            "name": "tiny",
            "data": [str(first), f"{second}=0.5"],
            "validation": 4,
            "validate_every_min": 1e-9,
            "loss": "l1",
            "training": {
                "crop_px": 32,
                "batch_size": 4,
                "images": 24,
                "network": {"encoder": "vgg16", "pretrained": False, "width": 0.125},
                "optimizer": {"learning_rate": 1e-3, "ema_decay": 0.5},
            },
        },
        origin="test",
    )


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Kill the training in the validation of a step, before its checkpoint is written."""
    original = single._Training.watch

    def watch(self: Any, spent: Spent, colorizer: Colorizer, *, last: bool) -> bool:
        due = original(self, spent, colorizer, last=last)
        if spent.steps == step:
            raise KilledError
        return due

    monkeypatch.setattr(single._Training, "watch", watch)


def run_until(recipe: Recipe, out: Path, step: int) -> None:
    """Train until a kill in the validation of a step."""
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(KilledError):
            run_training(recipe, out, RUNTIME)


def network(recipe: Recipe, folder: Path, name: str) -> Colorizer:
    colorizer, _ = build_colorizer(recipe.training.network, recipe.color_space, recipe.seed)
    load_model(folder, colorizer, name)
    return colorizer.eval()


@pytest.mark.slow
def test_the_record_describes_the_training(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "out"
    record = run_training(recipe, out, RUNTIME)
    assert TrainingRecord.load(out / "training.json") == record
    assert {path.name for path in out.iterdir()} == FILES | {".lock"}
    assert record.finished
    assert (record.steps, record.images, record.formula) == (6, 24, "l1")
    assert record.recipe.data == ["first=1", "second=0.5"]
    assert str(tmp_path) not in (out / "training.json").read_text()
    assert record.parameters == sum(each.numel() for each in network(recipe, out, MODEL).parameters())
    assert sum(record.drawn.values()) == 24
    assert record.drawn["first"] / 24 == pytest.approx(2 / 3, abs=0.1)
    assert (record.data.n_train, record.data.n_val) == (36, 4)

    assert [each.images for each in record.validations] == [4, 8, 12, 16, 20, 24]
    assert set(record.validations[0].metrics) == set(VALIDATION_METRICS)
    assert record.grey["chroma"] == pytest.approx(0, abs=0.1)
    assert record.truth["chroma"] > 10
    assert record.truth["delta_e_2000"] == pytest.approx(0, abs=1e-3)
    assert "psnr" not in record.truth, "the PSNR of the truth is infinite"
    assert "psnr" in record.grey

    rows = table(out / "validation.csv")
    assert list(rows[0]) == ["images", "minutes", *record.validations[0].metrics]
    assert [int(row["images"]) for row in rows] == [each.images for each in record.validations]
    last = table(out / "metrics.csv")
    assert len(last) == 4
    for name in VALIDATION_METRICS:
        mean = np.mean([float(row[name]) for row in last])
        assert record.validations[-1].metrics[name] == pytest.approx(mean, rel=1e-4)
    assert "100.0% of 24 crops (24 crops in 0 minutes); best validation at" in record.summary


@pytest.mark.slow
def test_the_best_weights_are_those_of_the_best_validation(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([50.0, 0.0, 5.0, 3.0, 3.0, 4.0, 2.5, 9.0])  # without color, the truth, and after each step
    seen: list[str] = []
    original = single._Training._measured

    def measured(self: Any, colorizer: Colorizer, photos: Photographs) -> Scores:
        seen.append(weights_sha256(colorizer))
        return original(self, colorizer, photos)

    monkeypatch.setattr(single, "means", lambda scores: {"delta_e_2000": next(found)})
    monkeypatch.setattr(single._Training, "_measured", measured)
    record = run_training(recipe, tmp_path / "out", RUNTIME)
    assert len(set(seen)) == 6
    assert record.best is not None
    assert (record.best.images, record.best.metrics) == (20, {"delta_e_2000": 2.5})
    assert [weights_sha256(network(recipe, tmp_path / "out", name)) for name in (BEST, MODEL)] == [seen[4], seen[5]]


def test_the_earliest_of_equals_is_the_best() -> None:
    values = (3.0, 2.0, 2.0, 4.0)
    each = [Validation(images=i, minutes=i, metrics={"delta_e_2000": value}) for i, value in enumerate(values)]
    assert best_of(each) is each[1]
    assert best_of([]) is None


@pytest.mark.slow
def test_a_killed_training_resumes_where_it_was(recipe: Recipe, tmp_path: Path) -> None:
    whole = run_training(recipe, tmp_path / "whole", RUNTIME)
    for step in (2, 4):
        run_until(recipe, tmp_path / "killed", step)
        assert not TrainingRecord.load(tmp_path / "killed" / "training.json").finished
        assert (tmp_path / "killed" / CHECKPOINT).exists()
    again = run_training(recipe, tmp_path / "killed", RUNTIME)
    timeless = {"minutes"}
    assert [each.model_dump(exclude=timeless) for each in again.validations] == [
        each.model_dump(exclude=timeless) for each in whole.validations
    ], "the validation before the kill is repeated, and is in the record once"
    assert again.model_dump(exclude=timeless | {"validations"}) == whole.model_dump(exclude=timeless | {"validations"})
    for name in ("skipped.csv", "train.csv", "metrics.csv", MODEL, BEST, "model.onnx"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.slow
def test_a_finished_training_is_not_repeated(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    record = run_training(recipe, out, RUNTIME)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir() if path.name != ".lock"}
    assert run_training(recipe, out, RUNTIME) == record
    others = (
        with_settings(recipe, {"seed": 1}, origin="test"),
        with_settings(recipe, {"training.images": 28}, origin="test"),
        with_settings(recipe, {"data": recipe.data[:1]}, origin="test"),
    )
    for other in others:
        with pytest.raises(UsageError, match="holds a training with other settings"):
            run_training(other, out, RUNTIME)
    monkeypatch.setattr(single, "train", None)
    assert run_training(recipe, out, RUNTIME) == record
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_an_unfinished_training_of_other_settings_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    run_until(recipe, tmp_path / "out", 3)
    with pytest.raises(UsageError, match="holds a training with other settings"):
        run_training(with_settings(recipe, {"loss": "l2"}, origin="test"), tmp_path / "out", RUNTIME)


@pytest.mark.slow
def test_a_training_is_not_resumed_with_other_networks_in_its_losses(recipe: Recipe, tmp_path: Path) -> None:
    # The teacher of class_kl is chosen by the weights that are installed, which may have changed.
    run_until(recipe, tmp_path / "out", 3)
    path = tmp_path / "out" / "training.json"
    record = TrainingRecord.load(path)
    assert record.objective is not None
    other = record.objective.model_copy(update={"trunks": ["vgg16"]})
    record.model_copy(update={"objective": other}).save(path)
    with pytest.raises(UsageError, match=r"other settings \(networks of the losses: vgg16 there, none here\)"):
        run_training(recipe, tmp_path / "out", RUNTIME)


def test_built_in_photos_are_not_combined_with_folders(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = with_settings(recipe, {"data": ["samples", *recipe.data]}, origin="test")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="data: 'samples' stands for the built-in photographs"):
        open_photographs(mixed, 32)
    make_photos(tmp_path / "samples", 10, first_seed=200)
    assert len(open_photographs(mixed, 32).record.folders) == 3


@pytest.mark.parametrize(("scale", "size_px"), [(None, 32), ([0.5, 1.0], 64)])
def test_crops_without_resizing_come_from_photos_of_the_exported_size(
    recipe: Recipe, scale: list[float] | None, size_px: int
) -> None:
    library = open_photographs(with_settings(recipe, {"training.scale": scale}, origin="test"), 32)
    assert library.record.size_px == size_px
    sides = [min(library.val.photo(index).shape[:2]) for index in range(len(library.val))]
    assert max(sides) <= size_px
    assert (min(sides) < size_px) == (scale is not None), "the photos of 40 to 73 px are not enlarged"


@pytest.mark.slow
def test_a_training_on_photos_of_another_size_is_not_continued(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_until(recipe, out, 3)
    record = TrainingRecord.load(out / "training.json")
    data = record.data.model_copy(update={"size_px": 64})  # as earlier versions did
    record.model_copy(update={"data": data}).save(out / "training.json")
    with pytest.raises(UsageError, match="with a shorter side of 64 px, which this version reduces to 32 px"):
        run_training(recipe, out, RUNTIME)
    scaled = with_settings(recipe, {"training.scale": [0.5, 1.0]}, origin="test")
    run_until(scaled, tmp_path / "scaled", 3)
    assert run_training(scaled, tmp_path / "scaled", RUNTIME).finished


@pytest.mark.slow
def test_changed_code_of_a_plugin_is_another_training(recipe: Recipe, tmp_path: Path) -> None:
    mine, idle = (PluginFact(name=f"{loss}.py", sha256="1" * 64, losses=[loss]) for loss in ("l1", "mine"))
    record = run_training(recipe, tmp_path / "out", RUNTIME, plugins=[mine, idle])
    assert record.plugins == [mine], "a plugin without a loss in the objective has no influence"
    changed = mine.model_copy(update={"sha256": "2" * 64})
    with pytest.raises(UsageError, match="holds a training with other settings"):
        run_training(recipe, tmp_path / "out", RUNTIME, plugins=[changed])


HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_a_second_process_is_refused_with_the_progress_of_the_first(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_until(recipe, out, 3)
    command = [sys.executable, "-c", HOLD, str(out / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError) as refused:
            run_training(recipe, out, RUNTIME)
        other.kill()
    message = str(refused.value)
    assert f"another process trains in {out} (tiny: 50.0% of 24 crops" in message
    assert "best validation at" in message
    assert message.endswith("wait for it, or choose another --out")
    assert run_training(recipe, out, RUNTIME).finished, "the lock ends with its process"


def test_a_folder_that_cannot_be_locked_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*\.lock"), locked(tmp_path):
        pass


def test_a_disk_without_locks_does_not_stop_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(_file: object, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with locked(tmp_path):
        assert "run only one process at a time" in caplog.text


@pytest.mark.slow
def test_a_warm_start_says_which_weights_it_takes(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_training(recipe, tmp_path / "first", RUNTIME)
    start = str(tmp_path / "first" / MODEL)
    record = run_training(
        with_settings(recipe, {"training.network.start": start}, origin="test"), tmp_path / "second", RUNTIME
    )
    assert f"initial weights: {record.encoder_start}\n" in capsys.readouterr().err
    assert MODEL in record.encoder_start


@pytest.mark.slow
def test_several_devices_are_validated_at_the_end_only(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[bool] = []

    def train(*arguments: object, watch: object, **named: object) -> None:
        watched.append(watch is not None)
        raise KilledError

    monkeypatch.setattr(single, "train", train)
    for devices in (1, 2):
        with pytest.raises(KilledError):
            run_training(recipe, tmp_path / str(devices), RUNTIME.model_copy(update={"devices": devices}))
    assert watched == [True, False]


@pytest.mark.slow
def test_photos_that_vanish_are_replaced(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = single._Training.watch

    def watch(self: Any, spent: Spent, colorizer: Colorizer, *, last: bool) -> bool:
        if spent.steps == 1:
            for source in self.library.train:
                for index in range(len(source.photos) // 2):
                    source.photos.path(index).unlink()
        return original(self, spent, colorizer, last=last)

    monkeypatch.setattr(single._Training, "watch", watch)
    with caplog.at_level(logging.WARNING):
        record = run_training(recipe, tmp_path / "out", RUNTIME)
    assert record.finished
    assert record.images == 24
    reported = [message for message in caplog.messages if "the next photo takes its place" in message]
    assert reported
    assert len(set(reported)) == len(reported), "each photo is named once"


@pytest.mark.slow
def test_a_budget_of_minutes(recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    timed = with_settings(recipe, {"training.minutes": 0.02, "validate_every_min": 30}, origin="test")
    record = run_training(timed, tmp_path / "out", RUNTIME)
    assert record.finished
    assert record.minutes == pytest.approx(0.02, abs=0.05)
    assert record.images == 4 * record.steps
    assert len(record.validations) == 1
    assert record.summary.startswith("tiny: 100.0% of 0.02 minutes")
    lines = capsys.readouterr().err.splitlines()
    assert sum("training tiny: 1/1 seconds" in line for line in lines) == 1
    assert lines[-1].startswith(f"validation at {record.images} crops, 0 minutes: psnr")


@pytest.mark.slow
def test_a_training_without_validation(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "_München 2"  # no name of a model
    record = run_training(with_settings(recipe, {"validation": 0}, origin="test"), out, RUNTIME)
    assert record.finished
    assert record.best is None
    assert (record.grey, record.truth, record.validations) == ({}, {}, [])
    assert (record.data.n_train, record.data.n_val) == (40, 0)
    assert not (out / "metrics.csv").exists()
    spec = ColorizerSpec.load(out / "model.yaml")
    assert spec.name == "Munchen-2"  # that of the folder: several trainings by one recipe stay apart


@pytest.mark.slow
def test_an_unfinished_training_exports_its_best_validation(recipe: Recipe, tmp_path: Path) -> None:
    out, path = tmp_path / "out", tmp_path / "early.onnx"
    run_until(recipe, out, 3)
    spec = export_run(out, path)
    assert spec.name == "early"
    assert spec.trained_on == "36 photographs"
    assert path.read_bytes() == colorizer_graph(network(recipe, out, BEST), half=True).SerializeToString()
    assert spec.record["images"] == 12
    run_training(recipe, out, RUNTIME)
    export_run(out, path)
    assert path.read_bytes() == colorizer_graph(network(recipe, out, MODEL), half=True).SerializeToString()
    assert path.read_bytes() == (out / "model.onnx").read_bytes()
    with pytest.raises(UsageError, match=r"must end in \.onnx"):
        export_run(out, tmp_path / "early.pt")


@pytest.mark.slow
def test_a_training_without_weights_is_not_exported(recipe: Recipe, tmp_path: Path) -> None:
    rare = with_settings(recipe, {"validate_every_min": 30}, origin="test")
    run_until(rare, tmp_path / "out", 2)
    with pytest.raises(UsageError, match=r"best\.safetensors is not there"):
        export_run(tmp_path / "out", tmp_path / "m.onnx")


@pytest.mark.slow
def test_the_distribution_of_colors_is_that_of_this_training(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single, "_PRIOR_CROPS", 16)
    bins = with_settings(recipe, {"loss": "cross_entropy(rebalance=0.5)", "training.images": 4}, origin="test")
    run_training(bins, tmp_path / "whole", RUNTIME)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "prior.json").write_text("left by a training that was killed before its first checkpoint")
    np.save(tmp_path / "out" / "given_prior.npy", np.full(313, 1 / 313))  # likewise, of a recipe with a prior
    run_training(bins, tmp_path / "out", RUNTIME)
    assert not (tmp_path / "out" / "given_prior.npy").exists()
    assert (tmp_path / "out" / "prior.json").read_bytes() == (tmp_path / "whole" / "prior.json").read_bytes()
    # The exported distribution is that of the colors without the training's weights.
    weights = rebalancing_weights(PriorRecord.load(tmp_path / "out" / "prior.json").probabilities, 0.5)
    trained = single.load_network(tmp_path / "out")
    graph = colorizer_graph(trained, half=True, bin_weights=weights.astype(np.float32).astype(np.float64))
    assert (tmp_path / "out" / "model.onnx").read_bytes() == graph.SerializeToString()
    # A file replaces the count. The folder keeps a copy, from which it is exported wherever the file is then.
    prior = PriorRecord.load(tmp_path / "out" / "prior.json").probabilities
    for name in ("given.json", "given.npy"):
        given, out = tmp_path / "elsewhere" / name, tmp_path / name
        given.parent.mkdir(exist_ok=True)
        if given.suffix == ".json":
            shutil.copy(tmp_path / "out" / "prior.json", given)
        else:
            np.save(given, prior)
        assert run_training(bins.model_copy(update={"prior": str(given)}), out, RUNTIME).finished
        given.unlink()
        export_run(out, tmp_path / "again.onnx")
        assert (tmp_path / "again.onnx").read_bytes() == graph.SerializeToString()


WEIGHTED = """
import numpy as np
from chromalab.losses.base import LossEntry, LossTerm

class Weighted(LossTerm):
    def use_prior(self, prior): self.weights = 1 / (prior + 0.01)
    def bin_weights(self): return self.weights
    def forward(self, batch): return batch.bin_logits.square().mean(dim=(1, 2, 3))

ENTRIES = LossEntry(name="weighted", family="distribution", formula="f", source="s", build=Weighted,
                    needs=("bins", "prior"), zero_at_target=False)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("own_registry")
def test_an_export_without_the_plugin_undoes_its_weights(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single, "_PRIOR_CROPS", 16)
    plugin = tmp_path / "weighted.py"
    plugin.write_text(WEIGHTED)
    loaded = plugin_facts(load_plugins([plugin]))
    changes = {"loss": "weighted", "training.images": 4, "validation": 0}
    run_training(with_settings(recipe, changes, origin="test"), tmp_path / "out", RUNTIME, plugins=loaded)
    LOSSES._entries.pop("weighted")
    export_run(tmp_path / "out", tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "out" / "model.onnx").read_bytes()


def test_settings_are_replaced_by_dotted_keys() -> None:
    changes = {
        "seed": 3,
        "loss": None,
        "training.images": 50,
        "training.optimizer.learning_rate": 0.5,
        "training.terms.l1.start": 0.25,
    }
    changed = with_settings(Recipe(loss="l1"), changes, origin="test")
    assert (changed.seed, changed.loss, changed.training.images) == (3, "l1", 50)
    assert changed.training.optimizer.learning_rate == 0.5
    assert changed.training.terms["l1"].start == 0.25
    expected = changed.training.model_copy(update={"images": 100_000, "optimizer": Recipe().training.optimizer})
    assert expected == Recipe().training.model_copy(update={"terms": changed.training.terms})
    with pytest.raises(ConfigError, match=r"options: unknown key 'training.optimizer.rate'"):
        with_settings(Recipe(), {"training.optimizer.rate": 1}, origin="options")


def trained_with(loss: object, changes: dict[str, object]) -> TrainingSettings:
    """Return the settings with which a recipe trains an objective."""
    changed = with_settings(Recipe(), {"loss": loss, "training.crop_px": 96, **changes}, origin="test")
    return resolve_objective(changed.loss, changed.training).training or changed.training


PIX2PIX = {"preset": "pix2pix", "optimizer": "published"}


def test_given_settings_replace_those_of_a_preset() -> None:
    changes = {"ema_decay": 0.999, "encoder_factor": 0.0, "schedule": "cosine", "clip_norm": 1.0, "name": "adamw"}
    given = {f"training.optimizer.{key}": value for key, value in changes.items()}
    published, changed = trained_with(PIX2PIX, {}), trained_with(PIX2PIX, given)
    assert published.optimizer == PRESETS["pix2pix"].optimizer
    assert changed.optimizer == published.optimizer.model_copy(update=changes)
    assert changed.critic == published.critic
    nested = trained_with(PIX2PIX, {"training.critic": {"width": 0.5, "learning_rate": 1e-5}})
    assert nested.critic == published.critic.model_copy(update={"width": 0.5, "learning_rate": 1e-5})
    assert nested.optimizer == published.optimizer
    assert trained_with("pix2pix", {"training.critic.sees": "rgb"}).critic.sees == "rgb"
    assert trained_with("ddcolor", {}).target_chroma == 1.2
    assert trained_with("ddcolor", {"training.target_chroma": 1.0}).target_chroma == 1.0
    assert trained_with("zhang2017", {}).network.color_from == "head"
    assert trained_with("zhang2017", {"training.network.color_from": "mean"}).network.color_from == "mean"


def test_settings_that_nothing_replaces_leave_the_objective_as_written() -> None:
    for loss in ("l1", "pix2pix", PIX2PIX):
        changed = with_settings(Recipe(), {"loss": loss, "training.minutes": 5, "seed": 1}, origin="test")
        assert changed.model_dump(mode="json", exclude_defaults=True)["loss"] == loss


@pytest.mark.parametrize(
    ("changes", "minutes", "stages"),
    [
        ({"seed": 1}, 60, 1),
        ({"training.images": 50}, None, 1),
        ({"training.images": 50, "training.minutes": None}, None, 1),
        ({"training.images": 50, "training.minutes": 5}, 5, 1),
        ({"training.crop_px": 48}, 60, 0),
        ({"training.batch_size": 4}, 60, 0),
        ({"training.batch_size": 4, "training.stages": None}, 60, 0),
        ({"training.crop_px": 48, "training.stages": [{"crop_px": 64, "batch_size": 2, "share": 1}]}, 60, 1),
        ({"training.crop_px": None, "training.images": None}, 60, 1),
    ],
)
def test_new_settings_end_those_that_would_override_them(
    changes: dict[str, object], minutes: float | None, stages: int
) -> None:
    timed = {"minutes": 60, "stages": [{"crop_px": 32, "batch_size": 8, "share": 1}]}
    changed = with_settings(Recipe.parse({"training": timed}, origin="test"), changes, origin="test").training
    assert (changed.minutes, len(changed.stages)) == (minutes, stages)
    for key in ("images", "crop_px", "batch_size"):
        assert getattr(changed, key) == (changes.get(f"training.{key}") or getattr(TrainingSettings(), key))


def test_recipes_ship_with_the_package() -> None:
    for name in ("baseline", "flagship"):
        recipe = load_recipe(Path(name))
        assert recipe.name == name
        assert Recipe.parse(recipe.model_dump(mode="json"), origin="test") == recipe
    with pytest.raises(ConfigError, match="'flagshp' is neither a file nor a preset; did you mean 'flagship'"):
        load_recipe(Path("flagshp"))
    with pytest.raises(ConfigError, match="no such file"):
        load_recipe(Path("flagshp.yaml"))


def test_a_smoke_test_has_two_steps() -> None:
    small = smoke(load_recipe(Path("flagship")))
    assert small.training.steps == 2
    assert small.training.largest_crop_px == 32
    assert small.training.network == load_recipe(Path("flagship")).training.network
    vgg = with_settings(Recipe(), {"training.network.encoder": "vgg16", "training.minutes": 60}, origin="test")
    assert smoke(vgg).training.network.width == 0.125
    assert smoke(vgg).training.minutes is None
    critic: dict[str, Any] = {"loss": {"loss": "l2 + 0.1*wgan", "critic": {"network": "patchgan70"}}}
    loss = smoke(Recipe.parse(critic, origin="test")).loss
    assert not isinstance(loss, str)
    assert loss.critic is not None
    assert loss.critic.width == 0.125


def test_a_record_has_no_paths() -> None:
    recipe = Recipe(
        data=["/home/me/photos", "/home/me/more=0.5", "samples"],
        exclude=["@/home/me/exclude.txt", "*.gif"],
        prior="/home/me/prior.json",
    )
    recipe = with_settings(recipe, {"training.network.start": "/home/me/model.onnx"}, origin="test")
    bare = without_paths(recipe)
    assert "/home" not in bare.model_dump_json()
    assert bare.data == ["photos=1", "more=0.5", "samples"]
    assert bare.exclude == ["@exclude.txt", "*.gif"]
    assert (bare.prior, bare.training.network.start) == ("prior.json", "model.onnx")


@pytest.mark.slow
def test_photos_are_taken_from_all_over_a_set(recipe: Recipe) -> None:
    photos = open_photographs(recipe, 32).train[0].photos
    assert spread(photos, 3).names == [photos.names[index] for index in (0, 6, 12)]
    assert spread(photos, 100) is photos
    assert len(photos) == 18


@pytest.mark.slow
def test_the_progress_of_a_resumed_training_begins_where_it_was_stopped(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    often = RUNTIME.model_copy(update={"checkpoint_every_s": 0.0})
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, 4)
        with pytest.raises(KilledError):
            run_training(recipe, out, often)
    assert drawn_before(out) == 12
    capsys.readouterr()
    run_training(recipe, out, RUNTIME)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("training tiny, resumed: ")]
    assert ": 24/24 crops" in line
    assert drawn_before(tmp_path / "none") == 0
