"""`chromalab.train`: what `chromalab train` does, as one call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chromalab.core.errors import UsageError
from chromalab.losses.plugins import load_plugins
from chromalab.studies.config import read_objective
from chromalab.studies.opening import plugin_facts
from chromalab.studies.recipe import Recipe, TrainingRecord, load_recipe, with_settings
from chromalab.studies.recipe import smoke as shrink
from chromalab.studies.single import run_training
from chromalab.training.presets import PRESETS
from chromalab.training.settings import RuntimeSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def train(
    recipe: str | Path | Recipe = "baseline",
    *,
    out: str | Path,
    data: str | Path | Sequence[str | Path] | None = None,
    loss: str | None = None,
    images: int | None = None,
    minutes: float | None = None,
    settings: Mapping[str, object] | None = None,
    plugins: Sequence[Path] = (),
    runtime: RuntimeSettings | None = None,
    smoke: bool = False,
) -> TrainingRecord:
    """Train one network under one objective and measure it on held-out photos.

    The folder `out` gets the weights, the logs and `model.onnx`, which `chromalab.colorize` takes as its model. Repeat
    the same call to resume an interrupted training; a finished training is not repeated.

    >>> import chromalab
    >>> record = chromalab.train(data="photos/", loss="l1 + 0.05*lpips_squeeze", out="mine/")  # doctest: +SKIP
    >>> record.best.metrics["delta_e_2000"]  # doctest: +SKIP
    >>> chromalab.colorize("scan.tif", model="mine/model.onnx")  # doctest: +SKIP

    Args:
        recipe: a recipe, its YAML file, or the name of a preset: `baseline` or `flagship`.
        out: folder of the training.
        data: folder of photographs or several, each as FOLDER or FOLDER=WEIGHT; None keeps those of the recipe.
        loss: formula, name of a preset, or YAML file of the objective; None keeps that of the recipe. A preset brings
            its published optimizer unless `settings` gives a learning rate.
        images: budget in crops.
        minutes: budget in minutes of training, in place of `images`.
        settings: values that replace those of the recipe, by dotted keys such as `training.optimizer.learning_rate`.
        plugins: Python files with losses of your own.
        runtime: device, precision and threads.
        smoke: shrink the training to seconds, to see that everything works.

    Returns:
        The record of the training, with the metrics of every validation.

    Raises:
        ConfigError: no such recipe, or a setting that is unknown or out of range.
        UsageError: two budgets, a wrong name, no usable photos, missing weights, or `out` holds another training.
        NonFiniteError: the training diverged.
        OutputError: `out` cannot be written.
    """
    if images is not None and minutes is not None:
        raise UsageError(f"images={images} and minutes={minutes:g} are two budgets: give one of them")
    loaded = plugin_facts(load_plugins(plugins))
    given = {"training.images": images, "training.minutes": minutes, **(settings or {})}
    if data is not None:
        given["data"] = [str(folder) for folder in ([data] if isinstance(data, str | Path) else data)]
    if loss is not None:
        has_rate = given.get("training.optimizer.learning_rate") is not None
        given["loss"] = objective_settings(loss, published=not has_rate)
    wanted = _configured(recipe if isinstance(recipe, Recipe) else load_recipe(Path(recipe)), given)
    return run_training(shrink(wanted) if smoke else wanted, Path(out), runtime or RuntimeSettings(), plugins=loaded)


def _configured(recipe: Recipe, given: Mapping[str, object]) -> Recipe:
    """Return the recipe with other settings; those that the recipe's own would override replace these, too."""
    keys = {key for key, value in given.items() if value is not None}
    if "training.images" in keys and "training.minutes" not in keys:
        recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"minutes": None})})
    if keys & {"training.crop_px", "training.batch_size"}:
        given = {"training.stages": [], **given}
    return with_settings(recipe, given, origin="the settings of this call")


def objective_settings(loss: str | None, *, published: bool) -> str | dict[str, Any] | None:
    """Return the objective that `loss` names, in the form of a recipe.

    Args:
        loss: formula, name of a preset, or YAML file.
        published: whether a preset brings its published optimizer.

    Raises:
        ConfigError: the YAML file is missing or does not fit.
    """
    if loss is None:
        return None
    objective = read_objective(loss)
    if not isinstance(objective, str):
        return objective.model_dump()
    if objective in PRESETS and published:
        return {"preset": objective, "optimizer": "published"}
    return objective
