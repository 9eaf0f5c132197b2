"""From a configuration to the list of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.color.spaces import SPACES
from chromalab.core.errors import ConfigError
from chromalab.nets.encoders import ENCODERS
from chromalab.studies.records import run_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.studies.config import StudyConfig
    from chromalab.studies.records import ObjectiveRecord
    from chromalab.training.settings import TrainingSettings


@dataclass(frozen=True)
class PlannedRun:
    """One cell of the grid."""

    objective: str
    formula: str
    color_space: str
    seed: int
    training: TrainingSettings

    @property
    def run_id(self) -> str:
        """The run's name and that of its folder."""
        return run_id(self.objective, self.color_space, self.seed)


def plan_runs(config: StudyConfig, objectives: Sequence[ObjectiveRecord]) -> list[PlannedRun]:
    """Return every run, in an order in which a study that is stopped early has compared all objectives at some seeds.

    Raises:
        UnknownNameError: a color space or encoder that does not exist.
        ConfigError: an objective over ab bins in another space than `lab`.
    """
    ENCODERS[config.training.network.encoder]
    for space in config.color_spaces:
        SPACES[space]
        for objective in objectives:
            if "bins" in objective.needs and space != "lab":
                raise ConfigError(
                    f"{objective.id}: '{objective.formula}' is over bins of CIELAB: train it in lab, not in {space}"
                )
    return [
        PlannedRun(objective.id, objective.formula, space, seed, objective.training or config.training)
        for seed in config.seeds
        for space in config.color_spaces
        for objective in objectives
    ]
