"""Recipes of single trainings, and the record that a training leaves."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from chromalab.core.records import Record, read_preset
from chromalab.data.library import FolderShare, LibraryRecord
from chromalab.data.usable import COLOURLESS_THRESHOLD
from chromalab.losses.compose import build
from chromalab.studies.config import SAMPLES, Identifier, ObjectiveSettings
from chromalab.studies.objectives import resolve_objective, with_given_settings
from chromalab.studies.records import ObjectiveRecord, PluginFact
from chromalab.studies.smoke import smoke_network, smoke_objective
from chromalab.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Recipe(Record):
    """Settings of one training, as in its YAML file.

    Attributes:
        name: short name of the training.
        title: what the model is, in one line.
        note: remarks on the recipe.
        data: folders of photographs, as FOLDER or FOLDER=WEIGHT: a photograph in a folder with weight 0.5 is drawn half
            as often as one in a folder without a weight. `samples` stands for the built-in photographs.
        exclude: patterns of photographs to leave out, relative to their folder; `@FILE` reads patterns from a file.
        colorless_threshold: leave out photos with a lower mean of max(R, G, B) - min(R, G, B).
        validation: number of held-out photographs, spread over the folders.
        validate_on: how many of these are measured; the others are only kept from training.
        validate_every_min: minutes of training between two validations.
        loss: the objective: a formula, the name of a preset, or settings of its own.
        perceptual: the loss that the word `perceptual` in a formula stands for, see `StudyConfig`.
        prior: file with the color distribution that rebalances classes; None counts the crops of the training.
        color_space: training color space.
        seed: random seed of initial weights, crops and their order.
        training: everything else that decides the result.
    """

    name: Identifier = "mine"
    title: str = ""
    note: str = ""
    data: list[str] = [SAMPLES]
    exclude: list[str] = []
    colorless_threshold: float = Field(default=COLOURLESS_THRESHOLD, ge=0, le=255)
    validation: int = Field(default=200, ge=0)
    validate_on: int = Field(default=400, ge=1)
    validate_every_min: float = Field(default=30.0, gt=0)
    loss: str | ObjectiveSettings = "l2"
    perceptual: str = "auto"
    prior: str | None = None
    color_space: str = "lab"
    seed: Annotated[int, Field(ge=0)] = 0
    training: TrainingSettings = TrainingSettings()


class Validation(Record):
    """The mean of every validation metric, and the crops and minutes of training before it."""

    images: int
    minutes: float
    metrics: dict[str, float]


def best_of(validations: Sequence[Validation]) -> Validation | None:
    """Return the validation with the lowest CIEDE2000; of equal ones, the earliest."""
    return min(validations, key=lambda each: each.metrics["delta_e_2000"], default=None)


class TrainingRecord(Record):
    """Settings, data and progress of a training.

    Attributes:
        recipe: the recipe as run, with names of folders instead of their paths.
        formula: the objective with every name resolved.
        objective: the terms of the formula and what they need.
        plugins: plugins that provide a loss of the objective.
        settings_sha256: hash of everything that decides the result.
        data: the photographs.
        parameters: number of weights of the network.
        encoder_start: source of the initial weights.
        steps: generator updates so far.
        images: crops so far.
        minutes: minutes of training so far.
        finished: whether the budget is spent.
        drawn: how many crops came from each folder.
        validations: the validations so far, oldest first.
        grey: the same metrics of the validation photos without color.
        truth: the same metrics of the ground truth, where they have a value.
    """

    schema_version: int = 1
    recipe: Recipe
    formula: str
    objective: ObjectiveRecord | None = None
    plugins: list[PluginFact] = []
    settings_sha256: str = ""
    data: LibraryRecord
    parameters: int
    encoder_start: str
    steps: int = 0
    images: int = 0
    minutes: float = 0.0
    finished: bool = False
    drawn: dict[str, int] = {}
    validations: list[Validation] = []
    grey: dict[str, float] = {}
    truth: dict[str, float] = {}

    @property
    def best(self) -> Validation | None:
        """The validation with the lowest CIEDE2000."""
        return best_of(self.validations)

    @property
    def summary(self) -> str:
        """The progress of the training, in one line."""
        budget = self.recipe.training
        whole = f"{budget.images:,} crops" if budget.minutes is None else f"{budget.minutes:g} minutes"
        share = budget.progress(self.images, 60 * self.minutes)
        line = f"{self.recipe.name}: {share:.1%} of {whole} ({self.images:,} crops in {self.minutes:.0f} minutes)"
        if self.best is None:
            return line
        shown = ", ".join(f"{name} {value:.4g}" for name, value in self.best.metrics.items())
        return f"{line}; best validation at {self.best.images:,} crops: {shown}"


def load_recipe(path: Path) -> Recipe:
    """Read the YAML file of a recipe, or the preset of that name, such as `flagship`.

    Raises:
        ConfigError: there is no such file or preset, or a key, type or value does not fit.
    """
    data, found = read_preset("training", path)
    return Recipe.parse(data, origin=str(found))


def with_settings(recipe: Recipe, settings: Mapping[str, object], *, origin: str) -> Recipe:
    """Return a recipe with other settings.

    A budget in images ends one in minutes, and a crop or batch size ends the stages of the recipe, because these would
    otherwise override the new settings. For the same reason they also replace settings of the objective and its preset.

    Args:
        recipe: the recipe.
        settings: values by dotted key, such as `training.optimizer.learning_rate`; None leaves a setting as it is.
        origin: source of the settings, for errors.

    Raises:
        ConfigError: a key is unknown, or a value does not fit.
        UnknownNameError: the objective names an unknown preset.
    """
    plain: dict[str, Any] = recipe.model_dump(mode="json")
    given = {key: value for key, value in settings.items() if value is not None}
    if "training.images" in given:
        plain["training"]["minutes"] = None
    if given.keys() & {"training.crop_px", "training.batch_size"}:
        plain["training"]["stages"] = []
    for key, value in given.items():
        *parents, name = key.split(".")
        place = plain
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    changed = Recipe.parse(plain, origin=origin)
    keys = {key.removeprefix("training.") for key in _leaves(given) if key.startswith("training.")}
    return changed.model_copy(update={"loss": with_given_settings(changed.loss, changed.training, keys)})


def _leaves(settings: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of nested settings."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def smoke(recipe: Recipe) -> Recipe:
    """Return the recipe shrunk to seconds: every step runs, but the results are meaningless."""
    objective = resolve_objective(recipe.loss, recipe.training, "auto")
    crop_px = max(32, build(objective.formula).smallest_px)
    changes = {"crop_px": crop_px, "batch_size": 4, "images": 8, "minutes": None, "stages": ()}
    critic = recipe.training.critic.model_copy(update={"width": 0.125})
    network = recipe.training.network.model_copy(update=smoke_network(recipe.training.network))
    training = recipe.training.model_copy(update={**changes, "critic": critic, "network": network})
    changed = {"loss": smoke_objective(recipe.loss), "perceptual": "auto", "validate_on": 4, "training": training}
    return recipe.model_copy(update=changed)


def flattened(recipe: Recipe) -> dict[str, object]:
    """Return the settings of a recipe by dotted keys.

    >>> flattened(Recipe())["training.optimizer.schedule"]
    'constant'
    """
    found: dict[str, object] = {}

    def walk(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        else:
            found[prefix] = value

    walk("", recipe.model_dump(mode="json"))
    return found


def validation_csv(validations: Sequence[Validation]) -> str:
    """Return the validations as CSV, one row each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(validations[0].metrics) if validations else []
    writer.writerow(["images", "minutes", *names])
    writer.writerows([each.images, f"{each.minutes:.2f}", *each.metrics.values()] for each in validations)
    return text.getvalue()


def without_paths(recipe: Recipe) -> Recipe:
    """Return the recipe with names of folders and files instead of paths, which do not belong in a record."""
    shares = [entry if entry == SAMPLES else FolderShare.parse(entry) for entry in recipe.data]
    data = [each if isinstance(each, str) else f"{each.folder.resolve().name}={each.weight:g}" for each in shares]
    exclude = [f"@{Path(entry[1:]).name}" if entry.startswith("@") else entry for entry in recipe.exclude]
    network = recipe.training.network
    if network.start is not None:
        network = network.model_copy(update={"start": Path(network.start).name})
    training = recipe.training.model_copy(update={"network": network})
    prior = recipe.prior and Path(recipe.prior).name
    return recipe.model_copy(update={"data": data, "exclude": exclude, "training": training, "prior": prior})
