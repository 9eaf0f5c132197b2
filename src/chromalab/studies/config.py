"""What a study is, as one YAML file says it."""

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
    """An objective that a formula alone does not say.

    Attributes:
        preset: a published mixture (`chromalab list presets`): its formula, critic and source of color.
        loss: a formula, or a list of terms: formulas, or mappings with `loss`, `weight` and parameters.
        critic: its own critic, where it is not the preset's or the study's.
        optimizer: its own optimizer, or `published` for the preset's; otherwise the study's, for a study compares
            objectives and not learning rates.
        color_from: where the color comes from, see `NetworkSettings`.
        balance: weigh its terms by the norms of their gradients, see `TrainingSettings`.
    """

    preset: str | None = None
    loss: str | list[str | dict[str, str | float]] | None = None
    critic: CriticSettings | None = None
    optimizer: OptimizerSettings | Literal["published"] | None = None
    color_from: Literal["auto", "head", "bins"] | None = None
    balance: bool | None = None

    @model_validator(mode="after")
    def _check_one_source(self) -> Self:
        if (self.preset is None) == (self.loss is None):
            raise ValueError("an objective has either a key 'preset' or a key 'loss'")
        if self.optimizer == "published" and self.preset is None:
            raise ValueError("optimizer: 'published' belongs to a preset")
        return self


class DataSettings(Record):
    """The photographs of a study.

    Attributes:
        source: a folder (relative to the working directory), or `samples` for the built-in photos.
        exclude: patterns of photos to leave out, relative to the folder; `@FILE` reads patterns from a file.
        max_photos: keep only this many photos (those with the smallest content hash), and of `test` as many; None keeps
            all.
        colourless_threshold: photos with a lower mean of max(R, G, B) - min(R, G, B) teach no color and are left out.
        val_share: share of photos for validation.
        test_share: share of photos on which everything is measured.
        test: folders of photos to measure on instead (`samples`: the built-in ones); none of them is trained on.
        prior: file with the distribution of colors that rebalances classes (`chromalab data prior`, or the published
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
    """A grid of runs: objectives x color spaces x seeds, alike in everything else.

    Attributes:
        name: short name of the study.
        title: heading of the report.
        note: what the study can and can't show, printed under the heading.
        data: the photographs.
        objectives: by identity a formula, as `wgan_l2: l2 + 0.1*wgan_gp`, the name of a published mixture, as
            `p2p: pix2pix`, or settings of its own. The word `perceptual` in a formula stands for the loss that
            `perceptual` names.
        perceptual: `lpips_vgg`, `lpips_alex`, `lpips_squeeze`, `perceptual_lite0`; or `auto`: LPIPS-Squeeze where its
            trunk is on this machine, else `perceptual_lite0`.
        color_spaces: training spaces.
        seeds: one training of everything for each.
        training: the rest of what decides a run.
        pictured: test photos whose pictures are kept and shown: how many, or their names.
        looks: shares of a training, between 0 and 1, at which its network is measured on the way.
        plan: what decides the study's question, see `chromalab.studies.plan`; it is frozen before the first run.
    """

    name: Identifier
    title: str
    note: str = ""
    data: DataSettings = DataSettings()
    objectives: dict[Identifier, str | ObjectiveSettings] = Field(min_length=1)
    perceptual: str = "auto"
    color_spaces: list[str] = Field(default=["lab"], min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field(default=[0, 1, 2], min_length=1)
    training: TrainingSettings = TrainingSettings()
    pictured: Annotated[int, Field(ge=1, le=100)] | list[str] = 6
    looks: list[Annotated[float, Field(gt=0, lt=1)]] = []
    plan: PlanSettings | None = None

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        for key in ("color_spaces", "seeds", "looks"):
            values = getattr(self, key)
            if len(set(values)) != len(values):
                raise ValueError(f"{key} has an entry twice: {values}")
        bounds = {"grey", "truth"} & set(self.objectives)
        if bounds:
            raise ValueError(f"objectives: '{bounds.pop()}' is the name of a bound in every table, choose another")
        return self


def read_objective(text: str) -> str | ObjectiveSettings:
    """Return an objective as a command line names it: a formula, a preset's name, or a YAML file with its settings.

    Raises:
        ConfigError: the file is missing, or does not hold an objective.
    """
    if not text.endswith((".yaml", ".yml")):
        return text
    return ObjectiveSettings.parse(read_yaml(Path(text)), origin=text)


def load_config(path: Path) -> StudyConfig:
    """Read a study's YAML file, or the preset of that name, as `quick`.

    Raises:
        ConfigError: no such file or preset, or a key, type or value that does not fit, with the closest known key.
    """
    data, found = read_preset("studies", path)
    return StudyConfig.parse(data, origin=str(found))
