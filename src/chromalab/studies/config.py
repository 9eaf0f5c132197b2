"""The configuration of a study: one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from chromalab.core.records import Record, read_preset, read_yaml
from chromalab.data.usable import COLOURLESS_THRESHOLD
from chromalab.studies.plan import PlanSettings
from chromalab.training.settings import CriticSettings, OptimizerSettings, TrainingSettings

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]

SAMPLES = "samples"


class ObjectiveSettings(Record):
    """An objective with settings of its own.

    Attributes:
        preset: a published objective (`chromalab list presets`), with its formula, critic and source of color.
        loss: a formula, or a list of terms: formulas, or mappings with `loss`, `weight` and parameters.
        critic: its own critic; None takes that of the preset or of the study.
        optimizer: its own optimizer, or `published` for that of the preset. None takes that of the study, because a
            study compares objectives and not learning rates.
        color_from: source of the predicted color, see `NetworkSettings`.
        balance: balance its terms by gradient norm, see `TrainingSettings`.
        target_chroma: factor on the chroma of the targets, see `TrainingSettings`; None takes that of the preset or of
            the study.
    """

    preset: str | None = None
    loss: str | list[str | dict[str, str | float]] | None = None
    critic: CriticSettings | None = None
    optimizer: OptimizerSettings | Literal["published"] | None = None
    color_from: Literal["auto", "head", "bins", "mean"] | None = None
    balance: bool | None = None
    target_chroma: Annotated[float, Field(gt=0, le=4)] | None = None

    @model_validator(mode="after")
    def _check_one_source(self) -> Self:
        if (self.preset is None) == (self.loss is None):
            raise ValueError("an objective needs exactly one of the keys 'preset' and 'loss'")
        if self.optimizer == "published" and self.preset is None:
            raise ValueError("optimizer: 'published' needs a preset")
        return self


class DataSettings(Record):
    """The photos of a study.

    Attributes:
        source: a folder (relative to the working directory), or `samples` for the built-in photos.
        exclude: patterns of photos to leave out, relative to the folder; `@FILE` reads patterns from a file.
        max_photos: keep at most this many photos (those with the smallest content hash), and at most as many of `test`;
            None keeps all.
        colourless_threshold: leave out photos with a lower mean of max(R, G, B) - min(R, G, B), in 8-bit levels,
            because they hold no color to learn from.
        val_share: share of photos for validation.
        test_share: share of photos for testing.
        test: folders of test photos that replace this share (`samples`: the built-in photos). They must not contain
            any training photo.
        prior: file with the color distribution that rebalances classes (`chromalab data prior`, or the published
            `prior_probs.npy`); None takes that of the training photos.
    """

    source: str = SAMPLES
    exclude: list[str] = []
    max_photos: int | None = Field(default=None, ge=3)
    colourless_threshold: float = Field(default=COLOURLESS_THRESHOLD, ge=0, le=255)
    val_share: float = Field(default=0.1, ge=0, lt=1)
    test_share: float = Field(default=0.1, gt=0, lt=1)
    test: list[str] = []
    prior: str | None = None


class StudyConfig(Record):
    """A grid of runs, objectives x color spaces x seeds, which share all other settings.

    Attributes:
        name: short name of the study.
        title: heading of the report; empty takes the name.
        note: what the study can and cannot show, printed under the heading.
        data: the photos.
        objectives: objectives by name. Each is a formula (`wgan_l2: l2 + 0.1*wgan_gp`), the name of a preset
            (`p2p: pix2pix`), or `ObjectiveSettings`. The word `perceptual` in a formula stands for the loss named by
            `perceptual`.
        perceptual: `lpips_vgg`, `lpips_alex`, `lpips_squeeze`, `perceptual_lite0`, or `auto`: LPIPS-Squeeze if its
            trunk is installed, otherwise `perceptual_lite0`.
        color_spaces: training spaces.
        seeds: every objective is trained once per seed.
        training: all other settings of a run.
        pictured: test photos whose colorized images are kept and shown: their number or their names.
        looks: shares of a training, between 0 and 1, at which an intermediate checkpoint is scored.
        metrics: metrics that score the runs, those of the plan among them; empty for every metric. Fewer metrics save
            time: on many photos the scoring may take longer than the training.
        plan: contrasts and margins that decide the study's question, frozen before the first run (see
            `chromalab.studies.plan`).
    """

    name: Identifier
    title: str = ""
    note: str = ""
    data: DataSettings = DataSettings()
    objectives: dict[Identifier, str | ObjectiveSettings] = Field(min_length=1)
    perceptual: str = "auto"
    color_spaces: list[str] = Field(default=["lab"], min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field(default=[0, 1, 2], min_length=1)
    training: TrainingSettings = TrainingSettings()
    pictured: Annotated[int, Field(ge=1, le=100)] | list[str] = 6
    looks: list[Annotated[float, Field(gt=0, lt=1)]] = []
    metrics: list[str] = []
    plan: PlanSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _default_title(cls, data: object) -> object:
        # Before validation, so that the records of a study without a title hold one, as all older records do.
        if isinstance(data, dict) and not data.get("title") and isinstance(data.get("name"), str):
            return {**data, "title": data["name"]}
        return data

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        for key in ("color_spaces", "seeds", "looks", "metrics"):
            values = getattr(self, key)
            if len(set(values)) != len(values):
                raise ValueError(f"{key} has a duplicate entry: {values}")
        unscored = sorted(set(self.plan.margins) - set(self.metrics)) if self.plan and self.metrics else []
        if unscored:
            raise ValueError(f"metrics: the plan has a margin for {unscored[0]}, which the study would not compute")
        if self.looks and self.training.minutes is not None:
            raise ValueError("looks: shares of a training need a budget in crops; give images instead of minutes")
        bounds = {"grey", "truth"} & set(self.objectives)
        if bounds:
            raise ValueError(f"objectives: every table has a bound named '{bounds.pop()}'; choose another name")
        return self


Range = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class Round(Record):
    """One round of a tuning.

    Attributes:
        configurations: how many configurations of each objective are trained.
        images: crops of each training.
    """

    configurations: int = Field(ge=1)
    images: int = Field(ge=1)


class TuningSettings(Record):
    """What a tuning searches, equally for every objective.

    Attributes:
        rounds: the first round draws its configurations, each later one keeps the best of the round before.
        learning_rate: range of the colorizer's learning rate.
        weight_factor: range of the factor on the weight of every term but the first.
        critic_rate: range of the critic's learning rate.
        criterion: metrics whose validation means, divided by the gray baseline's, are averaged geometrically; lower
            must be better in each.
        photos: largest number of validation photos.
        seed: decides what is drawn, and the seed of every training.
    """

    rounds: list[Round] = [Round(configurations=12, images=5000), Round(configurations=2, images=20_000)]
    learning_rate: Range = (3e-4, 3e-3)
    weight_factor: Range = (0.1, 10.0)
    critic_rate: Range = (5e-5, 1e-3)
    criterion: list[str] = Field(default=["delta_e_2000", "lpips_alex"], min_length=1)
    photos: int = Field(default=300, ge=1)
    seed: int = Field(default=1000, ge=0)


def read_objective(text: str) -> str | ObjectiveSettings:
    """Return an objective given on the command line as a formula, a preset name or a YAML file with its settings.

    Raises:
        ConfigError: the file is missing or does not hold an objective.
    """
    if not text.endswith((".yaml", ".yml")):
        return text
    return ObjectiveSettings.parse(read_yaml(Path(text)), origin=text)


def load_config(path: Path) -> StudyConfig:
    """Read the YAML file of a study, or the preset of that name, such as `quick`.

    Raises:
        ConfigError: there is no such file or preset, or a key, type or value is wrong; the message names the closest
            known key.
    """
    data, found = read_preset("studies", path)
    return StudyConfig.parse(data, origin=str(found))
