"""`chromalab.train`: the command `chromalab train` as one call."""

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
        data: one or several folders of photographs, as FOLDER or FOLDER=WEIGHT; None keeps those of the recipe.
        loss: formula, name of a preset, or YAML file of the objective; None keeps that of the recipe. A preset brings
            its published optimizer, in which `settings` replace single values, unless they give a learning rate.
        images: budget in crops.
        minutes: budget in minutes of training, in place of `images`.
        settings: values that override the recipe, by dotted keys such as `training.optimizer.learning_rate`.
        plugins: Python files with your own losses.
        runtime: device, precision and threads.
        smoke: shrink the training to seconds, to check that everything works.

    Returns:
        The record of the training, with the metrics of every validation.

    Raises:
        ConfigError: there is no such recipe, or a setting is unknown or out of range.
        UsageError: both budgets are given, a name is unknown, no photo is usable, weights are missing, or `out` holds
            another training.
        NonFiniteError: the training diverged.
        OutputError: `out` cannot be written.
    """
    if images is not None and minutes is not None:
        raise UsageError(f"images={images} and minutes={minutes:g} are two budgets; give one of them")
    loaded = plugin_facts(load_plugins(plugins))
    given = {"training.images": images, "training.minutes": minutes, **(settings or {})}
    if data is not None:
        given["data"] = [str(folder) for folder in ([data] if isinstance(data, str | Path) else data)]
    if loss is not None:
        has_rate = given.get("training.optimizer.learning_rate") is not None
        given["loss"] = objective_settings(loss, published=not has_rate)
    start = recipe if isinstance(recipe, Recipe) else load_recipe(Path(recipe))
    changed = with_settings(start, given, origin="the settings of this call")
    return run_training(shrink(changed) if smoke else changed, Path(out), runtime or RuntimeSettings(), plugins=loaded)


def objective_settings(loss: str | None, *, published: bool) -> str | dict[str, Any] | None:
    """Return an objective in the form that recipes have.

    Args:
        loss: formula, name of a preset, or YAML file; None gives None.
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
